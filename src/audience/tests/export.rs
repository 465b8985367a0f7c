//! Files of all formats say the same, and are checked without the service.

use std::fs::File;
use std::io::{Seek as _, Write as _};

use super::town::{SHOP, Town};
use crate::audience::export::read::{Export, read};
use crate::audience::export::{ExportError, Exporter, Format, MANIFEST_TYPE};
use crate::audience::shelf::Shelf;
use crate::clock::Clock as _;
use crate::db::testing::on_both;

pub(super) async fn export(
    town: &Town,
    list: crate::ids::ListId,
    format: Format,
) -> tempfile::NamedTempFile {
    let now = town.world.clock.now();
    let mut tx = town.world.db.read().await.expect("begins");
    let shelf = Shelf::open(&mut tx, SHOP, list, now).await.expect("opens");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut exporter = Exporter::new(format, file.reopen().expect("opens")).expect("begins");
    let mut after = 0;
    loop {
        let page = shelf.page(&mut tx, &town.world.keys, after, 7, now).await.expect("served");
        exporter.write(&page.rows).expect("written");
        let Some(next) = page.next else { break };
        after = next;
    }
    let manifest = shelf.manifest(&mut tx, now).await.expect("a manifest");
    exporter.finish(manifest, &town.world.keys.log_signer()).expect("finished");
    file
}

fn open(file: &tempfile::NamedTempFile) -> File {
    file.reopen().expect("opens")
}

#[tokio::test]
async fn three_formats_hold_the_same_rows_and_check_without_us() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let served = town.rows(&list).await.expect("served").rows;
        let log = town.world.keys.log_verifier();
        let mut digests = Vec::new();
        for format in Format::ALL {
            let file = export(&town, list.id, format).await;
            let found = read(format, open(&file)).expect("reads back");
            assert!(found.rows == served, "{}", format.name());
            let report = found.check(&log);
            assert_eq!((report.rows, report.denied), (20, vec![]), "{}", format.name());
            digests.push(found.manifest.sha256);
        }
        assert!(digests.iter().all(|digest| *digest == digests[0]));
    })
    .await;
}

#[tokio::test]
async fn a_changed_file_is_found_out() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let log = town.world.keys.log_verifier();
        let file = export(&town, list.id, Format::Jsonl).await;
        let changed = |change: &dyn Fn(&mut Export)| {
            let mut found = read(Format::Jsonl, open(&file)).expect("reads back");
            change(&mut found);
            let mut codes: Vec<&str> =
                found.check(&log).denied.into_iter().map(|denied| denied.code).collect();
            codes.dedup();
            codes
        };
        assert_eq!(changed(&|_| {}), [""; 0]);
        let digest_and = |code| vec!["export.digest", code];
        let score = changed(&|file| file.rows[3].score = 0.99);
        assert_eq!(score, ["export.digest", "row.out_of_order", "row.not_sealed_so"]);
        let other = changed(&|file| file.rows[3].recipient = file.rows[4].recipient);
        assert_eq!(other, digest_and("row.not_sealed_so"));
        let proof = changed(&|file| {
            file.rows[3].consent.messages = file.rows[4].consent.messages.clone();
        });
        assert_eq!(proof, digest_and("row.not_sealed_so"), "another person's consent");
        let purpose = changed(&|file| {
            let row = &mut file.rows[3];
            row.consent.messages.leaf = row.consent.relevance.leaf.clone();
        });
        assert_eq!(purpose, digest_and("proof.invalid"));
        let root = changed(&|file| file.manifest.rows_sealed += 1);
        assert_eq!(root[..2], ["export.not_signed_so", "list.not_sealed_so"]);
        let fewer = changed(&|file| drop(file.rows.pop()));
        assert_eq!(fewer, ["export.digest"], "left out by whoever passed it on");
        let stranger =
            volens_privacy::KeyRing::generate(&mut town.world.rng(99), town.world.clock.now());
        let found = read(Format::Jsonl, open(&file)).expect("reads back");
        assert!(!found.check(&stranger.log_verifier()).denied.is_empty());
    })
    .await;
}

/// What the check says of a file after its text was changed in one place.
fn altered(town: &Town, (format, text): (Format, &str), from: &str, to: &str) -> Vec<String> {
    assert!(text.contains(from), "{} holds {from}", format.name());
    let text = text.replacen(from, to, 1);
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    file.rewind().expect("rewinds");
    match read(format, file) {
        Err(error) => vec![error.to_string()],
        Ok(found) => {
            let denied = found.check(&town.world.keys.log_verifier()).denied;
            denied.into_iter().map(|denied| denied.code.to_owned()).collect()
        }
    }
}

#[tokio::test]
async fn whatever_a_reader_sees_in_a_file_is_bound() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        for format in [Format::Csv, Format::Jsonl] {
            let file = export(&town, list.id, format).await;
            let text = std::fs::read_to_string(file.path()).expect("text");
            let of = (format, text.as_str());
            assert_eq!(altered(&town, of, "\"purpose\"", "\"purpose\""), [""; 0]);
            let manifest = read(format, open(&file)).expect("reads back").manifest;
            let later = manifest.expires_at.plus(std::time::Duration::from_hours(24 * 1800));
            for (from, to) in [
                (
                    format!("\"expires_at\":\"{}", manifest.expires_at),
                    format!("\"expires_at\":\"{later}"),
                ),
                (
                    format!("\"exported_at\":\"{}", manifest.exported_at),
                    format!("\"exported_at\":\"{later}"),
                ),
                (
                    format!("\"sealed_at\":\"{}", manifest.sealed_at),
                    format!("\"sealed_at\":\"{later}"),
                ),
                (MANIFEST_TYPE.to_owned(), "volens/list-export/9".to_owned()),
                ("holdout.too_few".to_owned(), "increase.uncertain".to_owned()),
                (
                    "\"purpose\":\"business_messages\",\"model\"".to_owned(),
                    "\"purpose\":\"relevance\",\"model\"".to_owned(),
                ),
            ] {
                let found = altered(&town, of, &from, &to);
                assert_eq!(found, ["export.not_signed_so"], "{} {from}", format.name());
            }
        }
        let file = export(&town, list.id, Format::Csv).await;
        let text = std::fs::read_to_string(file.path()).expect("text");
        let csv = (Format::Csv, text.as_str());
        let (_, first) = text.split_once('\n').expect("lines");
        let why = first.split(',').nth(8).expect("the reasons in words").split(';').next();
        let why = why.expect("a reason").trim_matches('"');
        assert_eq!(altered(&town, csv, why, "Asked for this"), ["export.rewritten"]);
    })
    .await;
}

/// The rows of an export in another file of the same format, as somebody else would make it.
#[tokio::test]
async fn rows_are_not_left_out_with_a_new_digest() {
    on_both(|db| async move {
        let town = Town::new(db, 60, 6).await;
        let list = town.list(town.request(20)).await.expect("built");
        let own =
            volens_privacy::KeyRing::generate(&mut town.world.rng(98), town.world.clock.now());
        for format in Format::ALL {
            let file = export(&town, list.id, format).await;
            let found = read(format, open(&file)).expect("reads back");
            let fewer = tempfile::NamedTempFile::new().expect("a file");
            let mut exporter = Exporter::new(format, open(&fewer)).expect("begins");
            exporter.write(&found.rows[..12]).expect("written");
            exporter.finish(found.manifest, &own.log_signer()).expect("finished");
            let found = read(format, open(&fewer)).expect("reads back");
            let denied = found.check(&town.world.keys.log_verifier()).denied;
            let codes: Vec<&str> = denied.into_iter().map(|denied| denied.code).collect();
            assert_eq!(codes, ["export.not_signed_so"], "{}", format.name());
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_that_was_cut_off_is_no_export() {
    on_both(|db| async move {
        let town = Town::new(db, 40, 0).await;
        let list = town.list(town.request(15)).await.expect("built");
        for format in [Format::Csv, Format::Jsonl] {
            let file = export(&town, list.id, format).await;
            let text = std::fs::read_to_string(file.path()).expect("text");
            let (rest, _) = text.trim_end().rsplit_once('\n').expect("lines");
            std::fs::write(file.path(), rest).expect("written");
            assert!(matches!(read(format, open(&file)), Err(ExportError::CutOff)));
        }
    })
    .await;
}
