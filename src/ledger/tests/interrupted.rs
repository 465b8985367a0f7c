//! A verification that is interrupted goes on, and only over the log that it had begun.

use super::*;
use crate::db::testing::on_both;

const MOST: u64 = 40_000;

/// Verifies, and gives every position on the way.
async fn walk(db: &Db, world: &World, from: Option<&Position>) -> (Report, Vec<Position>) {
    let mut tx = db.read().await.unwrap();
    let mut told = Vec::new();
    let trust = world.trust();
    let report = verify_from(&mut tx, &trust, from, |_, _, position| told.extend(position));
    (report.await.unwrap(), told)
}

fn said(report: &Report) -> String {
    serde_json::to_string(report).unwrap()
}

async fn big(db: &Db) -> World {
    let world = World::new(db.clone()).await;
    let signer = world.keys.log_signer();
    for batch in 0..40 {
        grow_at(db, &signer, batch * 1000..batch * 1000 + 1000, world.clock.now()).await;
        world.clock.advance(Duration::from_secs(1));
    }
    world
}

#[tokio::test]
async fn an_interrupted_verification_goes_on_and_says_the_same() {
    on_both(|db| async move {
        let world = big(&db).await;
        let (whole, positions) = walk(&db, &world, None).await;
        assert_eq!((whole.faults.as_slice(), whole.resumed), (&[][..], None));
        assert!(whole.entries > MOST && positions.len() == 3, "{positions:?}");
        for position in &positions {
            let (rest, told) = walk(&db, &world, Some(position)).await;
            assert_eq!(rest.resumed, Some(position.entries));
            assert_eq!(said(&Report { resumed: None, ..rest }), said(&whole));
            let still = positions.iter().filter(|other| other.entries > position.entries);
            assert_eq!(told, still.cloned().collect::<Vec<_>>());
        }
        // The log has grown: the rest is the new part.
        grow_at(&db, &world.keys.log_signer(), 0..5, world.clock.now()).await;
        let (rest, _) = walk(&db, &world, positions.last()).await;
        assert_eq!((rest.entries, rest.faults), (whole.entries + 5, Vec::new()));
    })
    .await;
}

#[tokio::test]
async fn a_position_of_another_log_or_by_another_hand_is_not_used() {
    on_both(|db| async move {
        let world = big(&db).await;
        let (_, positions) = walk(&db, &world, None).await;
        let position = &positions[1];
        for wrong in [
            Position { root: "00".repeat(32), ..position.clone() },
            Position { entries: position.entries - 1, ..position.clone() },
            Position { entries: MOST * 2, ..position.clone() },
            Position {
                checkpoint: position.checkpoint.replace("volens", "other"),
                ..position.clone()
            },
            Position { checkpoint: String::new(), ..position.clone() },
        ] {
            let (report, _) = walk(&db, &world, Some(&wrong)).await;
            assert_eq!((report.faults.as_slice(), report.resumed), (&[][..], None));
        }
        let home = tempfile::tempdir().unwrap();
        let (bookmark, now) = (Bookmark::beside(&home.path().join("keyring.json")), now());
        assert_eq!(bookmark.read(&world.keys, now), None);
        bookmark.write(&world.keys, position, now).unwrap();
        assert_eq!(bookmark.read(&world.keys, now).as_ref(), Some(position));
        assert_eq!(bookmark.read(&signer().1, now), None, "another ring");
        let week = Duration::from_hours(7 * 24);
        assert_eq!(bookmark.read(&world.keys, now.plus(week)), None, "too old");
        assert_eq!(bookmark.read(&world.keys, now.minus(week)), None, "from the future");
        let file = home.path().join("keyring.verified");
        let text = std::fs::read_to_string(&file).unwrap();
        let more = format!("\"entries\":{}", position.entries);
        std::fs::write(&file, text.replacen(&more, "\"entries\":39999", 1)).unwrap();
        assert_eq!(bookmark.read(&world.keys, now), None, "somebody wrote into it");
        bookmark.remove().unwrap();
        bookmark.remove().unwrap();
        assert!(!file.exists());
    })
    .await;
}
