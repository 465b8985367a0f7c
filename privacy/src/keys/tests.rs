use std::collections::BTreeSet;

use aes_siv::KeyInit as _;
use aes_siv::siv::Aes128Siv;
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead as _, Payload};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::derive::{expand, hmac, hmac_matches, siv_open, siv_seal};
use super::*;
use crate::encoding::{base64, hex, unhex};
use crate::identity::{AppId, BusinessId, SubjectId};
use crate::ledger::{Checkpoint, empty_root};
use crate::phone::{PhoneEvidence, PhoneNumber, PhoneSpace};
use crate::time::Timestamp;

const CHEAP: StretchCost = StretchCost { memory_kib: 64, passes: 2 };

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn ring(seed: u64) -> KeyRing {
    KeyRing::generate(&mut rng(seed), Timestamp::from_micros(0))
}

/// The ring whose roots are 32 bytes of 1, 2, 3 and 4.
fn fixed_ring() -> KeyRing {
    let root = |domain: &str, byte: u8| {
        let secret = base64(&[byte; 32]);
        format!(r#"{{"domain":"{domain}","version":1,"state":"active","secret":"{secret}"}}"#)
    };
    let roots = [root("prf", 1), root("wrap", 2), root("kek", 3), root("sign", 4)].join(",");
    let json = format!(
        r#"{{"version":1,"created":"2026-01-01T00:00:00Z","origin":"volens.local/log","roots":[{roots}]}}"#
    );
    KeyRing::from_json(json.as_bytes()).unwrap()
}

fn app(name: &str) -> AppId {
    AppId::parse(name).unwrap()
}

fn evidence(number: &str) -> PhoneEvidence {
    PhoneNumber::parse(number, None).ok().unwrap().into()
}

fn token(ring: &KeyRing, number: &str, own: &str, peer: &str) -> String {
    let phone = evidence(number).in_space(PhoneSpace::Plus).unwrap();
    let stretched = ring.stretch(&phone, &CHEAP).unwrap();
    hex(ring.link_token(&stretched, &app(own), &app(peer), PhoneSpace::Plus).as_bytes())
}

mod primitives {
    use super::*;

    #[test]
    fn hkdf_of_rfc_5869_case_1() {
        let salt = unhex::<13>("000102030405060708090a0b0c").unwrap();
        let info = unhex::<10>("f0f1f2f3f4f5f6f7f8f9").unwrap();
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf\
            34007208d5b887185865";
        assert_eq!(hex(&*expand::<42>(&[0x0b; 22], &salt, &[&info])), expected);
        assert_eq!(hex(&*expand::<42>(&[0x0b; 22], &salt, &[&info[..3], &info[3..]])), expected);
    }

    #[test]
    fn hmac_of_rfc_4231_case_2() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let mac = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(hex(&mac), expected);
        assert!(hmac_matches(b"Jefe", &[b"what do ya want for nothing?"], &mac));
        assert!(!hmac_matches(b"Jefe", &[b"what do ya want for nothing!"], &mac));
    }

    #[test]
    fn siv_of_rfc_5297_a_1() {
        let key: [u8; 32] =
            unhex("fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff").unwrap();
        let context = unhex::<24>("101112131415161718191a1b1c1d1e1f2021222324252627").unwrap();
        let plain = unhex::<14>("112233445566778899aabbccddee").unwrap();
        let sealed = Aes128Siv::new(&key.into()).encrypt([context], &plain).unwrap();
        assert_eq!(hex(&sealed), "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c");
    }

    #[test]
    fn siv_with_256_bit_keys_as_in_miscreant() {
        let key: [u8; 64] = unhex(
            "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f06f6e6d6c6b6a69686766656463626160\
            f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff000102030405060708090a0b0c0d0e0f",
        )
        .unwrap();
        let context = unhex::<24>("101112131415161718191a1b1c1d1e1f2021222324252627").unwrap();
        let plain = unhex::<14>("112233445566778899aabbccddee").unwrap();
        let sealed = siv_seal(&key, &[&context], &plain);
        assert_eq!(hex(&sealed), "f125274c598065cfc26b0e71575029088b035217e380cac8919ee800c126");
        assert_eq!(siv_open(&key, &[&context], &sealed).unwrap().as_slice(), plain);
        assert!(siv_open(&key, &[], &sealed).is_none());
        assert!(siv_open(&key, &[&context], &sealed[..15]).is_none());
    }

    #[test]
    fn argon2id_of_rfc_9106() {
        let params = ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(AssociatedData::new(&[4; 12]).unwrap())
            .build()
            .unwrap();
        let argon = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params);
        let mut tag = [0; 32];
        argon.unwrap().hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(hex(&tag), expected);
    }

    #[test]
    fn xchacha20_poly1305_of_the_irtf_draft() {
        let key: [u8; 32] = std::array::from_fn(|at| 0x80 + at as u8);
        let nonce: [u8; 24] = std::array::from_fn(|at| 0x40 + at as u8);
        let aad = unhex::<12>("50515253c0c1c2c3c4c5c6c7").unwrap();
        let msg = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip \
            for the future, sunscreen would be it.";
        let cipher = XChaCha20Poly1305::new(&key.into());
        let sealed = cipher.encrypt(&nonce.into(), Payload { msg, aad: &aad }).unwrap();
        assert_eq!(hex(&sealed[..16]), "bd6d179d3e83d43b9576579493c0e939");
        assert_eq!(hex(&sealed[sealed.len() - 16..]), "c0875924c1c7987947deafd8780acf49");
    }
}

/// Computed from the formulas in the documentation with another implementation (Python's
/// `cryptography`, OpenSSL). A change here makes stored data unreadable.
mod frozen {
    use super::*;

    #[test]
    fn tags() {
        let ring = fixed_ring();
        let account = ring.account_tag(&app("photo"), "user-4711");
        assert_eq!(
            hex(account.as_bytes()),
            "f86678597b5dbc02dcb4e23d02a7514b4dd380207ea974511dfb2a5e56461285\
            ed064500c017550b66212d3d6dc1005f"
        );
        let message = ring.message_tag(&app("photo"), "m-1");
        assert_eq!(hex(&message), "eaba2505a02ff645950117ddff067642");
        let signal = ring.signal_tag(&app("photo"), &[8; 16], "m-1");
        assert_eq!(hex(&signal), "3bba7d565d52ac7671297a21d8cafcc2");
        let recipient =
            ring.recipient(BusinessId::from_bytes([7; 16]), SubjectId::from_bytes([9; 16]));
        assert_eq!(recipient.to_string(), "rcp_dd1109ad8cb2d014b67c72b64ef4b840");
        let caller = ring.caller_hash("session", b"secret");
        let expected = "5ff380a519ade2320b89bb3dc71052ac175bd7806b3e58b2719a5146910c5bcf";
        assert_eq!(hex(&caller), expected);
    }

    #[test]
    fn link_tokens() {
        let expected = "6e842ca05dd446968d2ce202f9beb14090584065d302c4a07d3093131ffee238\
            ff6835fe65fbb7ecfb954b17831feea5";
        assert_eq!(token(&fixed_ring(), "+4915112345678", "photo", "messenger"), expected);
        assert_eq!(token(&fixed_ring(), "+4915112345678", "messenger", "photo"), expected);
    }

    #[test]
    fn wrapped_keys() {
        let wrapped = fixed_ring().wrap(&[9; 16], &DataKey::from_bytes([5; 32]));
        assert_eq!(
            hex(&wrapped),
            "000000010b8e5208affd6f0c340e7d321cd6f7e277f35fd27c490744f6b0afa8\
            3cf2604acf31b85e44a281dbbc2f53d79d052cd2"
        );
    }

    #[test]
    fn commitments() {
        let key = DataKey::from_bytes([5; 32]).entry_key(&[6; 16]);
        let expected = "8316396a96d8625c8d30fb6cfe93d627cbc52dbba6cae0814a03a8fedb173553";
        assert_eq!(hex(key.as_bytes()), expected);
        let expected = "f20f77e139f1cbca3b809ebd6a91035ad3a02de99cb9ec424352fb82939906d4";
        assert_eq!(hex(&key.commit(br#"{"a":1}"#)), expected);
    }

    #[test]
    fn salts_of_lessons() {
        let key = DataKey::from_bytes([5; 32]).lesson_key();
        let expected = "07e5be192caf4721ed7d433f7682d5e08937e4f86bffd43e405d2dc1a9677aba";
        assert_eq!(hex(&*key.salt(&[7; 16])), expected);
    }

    #[test]
    fn checks_and_signatures() {
        let ring = fixed_ring();
        let checks: Vec<String> = ring.checks().iter().map(|check| hex(&check.value)).collect();
        let expected =
            ["4ec061fe5d4aa5b9", "2d9a899b1e0df5bf", "54e84966624b3b40", "be5d0d15b08ca0d4"];
        assert_eq!(checks[..4], expected);
        assert_eq!(checks[4..], expected[..1], "a ring of the first format has prf as its pepper");
        let vkey = "volens.local/log+46f138cd+AXgkP/3WKe+sxBRwUCbgmYl+T2YWB78phDPeK8bnA0Sg";
        assert_eq!(ring.log_verifier().vkey(), vkey);
        let origin = "volens.local/log".to_owned();
        let note =
            ring.log_signer().sign(&Checkpoint { origin, before: 0, size: 0, root: empty_root() });
        assert_eq!(
            note.as_str(),
            "volens.local/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\
            — volens.local/log RvE4zUmwi93C/Og3h2yzO8FCT9hocu/VWV3TFO3Qs9r4UjBdWt0n8MNYr3ZdzSqlr9e\
            Db/PjKnZUna/Ho2/UP1+dJwU=\n"
        );
    }
}

#[test]
fn tags_of_different_apps_share_nothing() {
    let ring = ring(1);
    let mut windows = BTreeSet::new();
    for name in ["messenger", "photo", "social"] {
        for reference in ["1", "2", "alice", "+4915112345678"] {
            let tag = ring.account_tag(&app(name), reference);
            let fresh = tag.as_bytes().windows(8).all(|window| windows.insert(window.to_vec()));
            assert!(fresh, "eight bytes in common");
        }
    }
}

#[test]
fn an_objection_is_recognised_by_reference_and_by_account_and_by_nobody_else() {
    let ring = ring(1);
    let (here, there) = (app("messenger"), app("photos"));
    let tag = ring.account_tag(&here, "u1");
    let suppressed = ring.suppression_tag(&here, &tag).expect("its own tag");
    assert_eq!(suppressed, ring.suppression_tag_of(&here, "u1"));
    assert_ne!(suppressed, ring.suppression_tag_of(&here, "u2"));
    assert_ne!(suppressed, ring.suppression_tag_of(&there, "u1"));
    assert!(!tag.as_bytes().windows(8).any(|part| suppressed.as_bytes().starts_with(part)));
    assert_eq!(ring.suppression_tag(&there, &tag), Err(KeyError::Unopenable));
    assert_eq!(self::ring(2).suppression_tag(&here, &tag), Err(KeyError::Unopenable));
}

#[test]
fn recipients_differ_by_business() {
    let (ring, mut rng) = (ring(1), rng(2));
    let subject = SubjectId::random(&mut rng);
    let (one, two) = (BusinessId::random(&mut rng), BusinessId::random(&mut rng));
    assert_eq!(ring.recipient(one, subject), ring.recipient(one, subject));
    assert_ne!(ring.recipient(one, subject), ring.recipient(two, subject));
}

#[test]
fn link_tokens_depend_on_number_pair_space_cost_and_ring() {
    let here = ring(1);
    let base = token(&here, "+4915112345678", "messenger", "photo");
    assert_eq!(base, token(&here, "+49 (0)151 12345678", "photo", "messenger"));
    assert_ne!(base, token(&here, "+4915112345679", "messenger", "photo"));
    assert_ne!(base, token(&here, "+4915112345678", "messenger", "social"));
    assert_ne!(base, token(&ring(2), "+4915112345678", "messenger", "photo"));

    let phone = evidence("+4915112345678").in_space(PhoneSpace::Plus).unwrap();
    let (messenger, photo) = (app("messenger"), app("photo"));
    let stretched = here.stretch(&phone, &CHEAP).unwrap();
    let digits = here.link_token(&stretched, &messenger, &photo, PhoneSpace::Digits);
    assert_ne!(base, hex(digits.as_bytes()));
    let dearer = here.stretch(&phone, &StretchCost { passes: 3, ..CHEAP }).unwrap();
    let dearer = here.link_token(&dearer, &messenger, &photo, PhoneSpace::Plus);
    assert_ne!(base, hex(dearer.as_bytes()));
}

#[test]
fn hashed_evidence_links_with_the_number_itself() {
    let ring = ring(1);
    let number = PhoneNumber::parse("+4915112345678", None).ok().unwrap();
    for encoding in [crate::PhoneEncoding::Google, crate::PhoneEncoding::Uid2] {
        let hashed = PhoneEvidence::hashed(&number.encode(encoding), encoding).unwrap();
        let phone = hashed.in_space(PhoneSpace::Plus).unwrap();
        let stretched = ring.stretch(&phone, &CHEAP).unwrap();
        let own = ring.link_token(&stretched, &app("photo"), &app("messenger"), PhoneSpace::Plus);
        let other = token(&ring, "+4915112345678", "messenger", "photo");
        assert_eq!(hex(own.as_bytes()), other);
    }
}

#[test]
fn costs_below_the_minimum_are_raised() {
    let ring = ring(1);
    let phone = evidence("+4915112345678").in_space(PhoneSpace::Plus).unwrap();
    let stretch = |memory_kib, passes| {
        let stretched = ring.stretch(&phone, &StretchCost { memory_kib, passes }).unwrap();
        *ring.link_token(&stretched, &app("aa"), &app("bb"), PhoneSpace::Plus).as_bytes()
    };
    assert_eq!(stretch(0, 0), stretch(8, 1));
    assert_eq!(StretchCost::default(), StretchCost { memory_kib: 19_456, passes: 2 });
}

mod wrapping {
    use super::*;

    #[test]
    fn only_its_owner_unwraps() {
        let ring = ring(1);
        let key = DataKey::generate(&mut rng(2));
        let wrapped = ring.wrap(&[1; 16], &key);
        assert_eq!(ring.unwrap(&[1; 16], &wrapped).unwrap().as_bytes(), key.as_bytes());
        assert_eq!(ring.unwrap(&[2; 16], &wrapped).err(), Some(KeyError::Unopenable));
        let other = super::ring(2).unwrap(&[1; 16], &wrapped);
        assert_eq!(other.err(), Some(KeyError::Unopenable));
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let ring = ring(1);
        let wrapped = ring.wrap(&[1; 16], &DataKey::generate(&mut rng(2)));
        for position in 0..wrapped.len() {
            let mut altered = wrapped.clone();
            altered[position] ^= 1;
            assert!(ring.unwrap(&[1; 16], &altered).is_err(), "byte {position}");
        }
        for length in 0..wrapped.len() {
            assert!(ring.unwrap(&[1; 16], &wrapped[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn sealed_bytes_open_only_in_their_context() {
        let (key, mut rng) = (DataKey::generate(&mut rng(1)), rng(2));
        let sealed = key.seal(&[b"profiles", b"1"], b"likes running", &mut rng);
        let opened = key.open(&[b"profiles", b"1"], &sealed).unwrap();
        assert_eq!(opened.as_slice(), b"likes running");
        for context in [&[&b"profiles"[..], b"2"][..], &[b"profiles1"], &[b"profiles"], &[]] {
            assert_eq!(key.open(context, &sealed).err(), Some(KeyError::Unopenable));
        }
        let other = DataKey::generate(&mut rng);
        assert!(other.open(&[b"profiles", b"1"], &sealed).is_err());
        for position in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[position] ^= 1;
            assert!(key.open(&[b"profiles", b"1"], &altered).is_err(), "byte {position}");
        }
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        let (key, mut rng) = (DataKey::generate(&mut rng(1)), rng(2));
        assert_ne!(key.seal(&[], b"same", &mut rng), key.seal(&[], b"same", &mut rng));
    }

    #[test]
    fn the_length_of_what_is_sealed_says_little() {
        let (key, mut rng) = (DataKey::generate(&mut rng(1)), rng(2));
        let mut sealed_length = |length: usize| key.seal(&[], &vec![7; length], &mut rng).len();
        let around = 1 + 24 + 16;
        for (longest, padded) in [(255, 256), (511, 512), (1023, 1024), (2047, 2048), (4095, 4096)]
        {
            assert_eq!(sealed_length(longest), padded + around);
            assert_eq!(sealed_length(longest / 2 + 1), padded + around);
        }
        assert_eq!(sealed_length(0), 256 + around);
        assert_eq!(sealed_length(4096), 8192 + around);
    }

    proptest! {
        #[test]
        fn whatever_was_sealed_opens(
            plain in prop::collection::vec(any::<u8>(), 0..600),
            context in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..4),
        ) {
            let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
            let key = DataKey::generate(&mut rng(1));
            let sealed = key.seal(&context, &plain, &mut rng(2));
            let opened = key.open(&context, &sealed).unwrap();
            prop_assert_eq!(opened.as_slice(), plain.as_slice());
        }
    }
}

mod file {
    use super::*;

    fn json(ring: &KeyRing) -> String {
        String::from_utf8(ring.to_json().to_vec()).unwrap()
    }

    #[test]
    fn a_ring_round_trips() {
        let ring = ring(1).with_origin("consent.example/log").unwrap();
        let read = KeyRing::from_json(&ring.to_json()).unwrap();
        assert_eq!(read.checks(), ring.checks());
        assert_eq!(read.log_verifier().origin(), "consent.example/log");
        assert_eq!(json(&read), json(&ring));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let good = json(&ring(1));
        let check = |from: &str, to: &str, code: &str| {
            assert!(good.contains(from), "the file has {from}");
            let error = KeyRing::from_json(good.replacen(from, to, 1).as_bytes()).err().unwrap();
            assert_eq!(error.code(), code, "{error}");
        };
        check("\"version\": 3", "\"version\": 4", "keys.version_unsupported");
        check("\"created\"", "\"extra\": 1, \"created\"", "keys.unreadable");
        check("\"state\"", "\"extra\": 1, \"state\"", "keys.unreadable");
        check("\"prf\"", "\"prg\"", "keys.unreadable");
        check("\"active\"", "\"destroyed\"", "keys.unreadable");
        check("\"active\"", "\"accept\"", "keys.not_one_active");
        check("\"wrap\"", "\"prf\"", "keys.misnumbered");
        check("=\"", "\"", "keys.unreadable");
        check("volens.local/log", "volens local", "keys.origin");
        check("{", "[", "keys.unreadable");
        let zero =
            good.replace("\"version\": 1,\n      \"state\"", "\"version\": 0,\n      \"state\"");
        assert_eq!(KeyRing::from_json(zero.as_bytes()).err().unwrap().code(), "keys.misnumbered");
    }

    #[test]
    fn no_error_repeats_a_secret() {
        let good = json(&ring(1));
        let secret = good.split("\"secret\": \"").nth(1).unwrap().split('"').next().unwrap();
        let spoilt = [
            good.replacen(secret, &secret[..20], 1),
            good.replacen(&format!("\"{secret}\""), &format!("{{\"{secret}\": 1}}"), 1),
            good.replacen("\"prf\"", &format!("\"{secret}\""), 1),
        ];
        for file in spoilt {
            let error = KeyRing::from_json(file.as_bytes()).err().unwrap();
            assert!(!format!("{error} {error:?}").contains(&secret[..12]), "{error}");
        }
    }

    #[test]
    fn another_ring_fails_the_checks() {
        let (one, two) = (ring(1), ring(2));
        assert_eq!(one.verify_checks(&one.checks()), Ok(()));
        assert_eq!(one.verify_checks(&[]), Ok(()));
        let (domain, version) = ("prf".to_owned(), 1);
        let mismatch = KeyError::CheckMismatch { domain: domain.clone(), version };
        assert_eq!(two.verify_checks(&one.checks()), Err(mismatch));
        let newer = KeyCheck { domain: domain.clone(), version: 2, value: [0; 8] };
        let missing = KeyError::VersionMissing { domain, version: 2 };
        assert_eq!(one.verify_checks(&[newer]), Err(missing));
    }

    #[test]
    fn an_older_wrapping_key_still_unwraps() {
        let old = ring(1);
        let wrapped = old.wrap(&[1; 16], &DataKey::from_bytes([5; 32]));
        let good = json(&old);
        let kek = good.find("\"kek\"").unwrap();
        let (head, tail) = good.split_at(kek);
        let rotated = format!(
            "{head}\"kek\", \"version\": 2, \"state\": \"active\", \"secret\": \"{}\" }}, {{ \"domain\": {}",
            base64(&[7; 32]),
            tail.replacen("\"active\"", "\"accept\"", 1),
        );
        let new = KeyRing::from_json(rotated.as_bytes()).unwrap();
        assert_eq!(new.unwrap(&[1; 16], &wrapped).unwrap().as_bytes(), &[5; 32]);
        assert_eq!(new.wrap(&[1; 16], &DataKey::from_bytes([5; 32]))[..4], [0, 0, 0, 2]);
        assert_eq!(old.verify_checks(&new.checks()).unwrap_err().code(), "keys.version_missing");
    }
}

mod rotation {
    use super::*;

    fn later(hours: u64) -> Timestamp {
        Timestamp::from_micros(0).plus(std::time::Duration::from_hours(hours))
    }

    #[test]
    fn a_version_is_read_before_it_is_written_with_and_until_it_is_destroyed() {
        let shared = ring(1);
        let wrapped = shared.wrap(&[1; 16], &DataKey::from_bytes([5; 32]));
        let mut next = shared.copy();
        assert_eq!(next.add(KeyDomain::Kek, &mut rng(2), later(1)), Ok(2));
        assert_eq!(next.add(KeyDomain::Kek, &mut rng(3), later(2)), Ok(2), "the same one again");
        assert_eq!(next.waiting_version(KeyDomain::Kek), Some(2));
        assert_eq!(next.wrap(&[1; 16], &DataKey::from_bytes([5; 32])), wrapped);
        next.activate(KeyDomain::Kek, 2, later(3)).unwrap();
        assert_eq!(next.retired_versions(KeyDomain::Kek), [(1, later(3))]);
        let anew = next.rewrap(&[1; 16], &wrapped).unwrap().unwrap();
        assert_eq!(anew[..4], [0, 0, 0, 2]);
        assert_eq!(next.rewrap(&[1; 16], &anew), Ok(None));
        let in_use = next.destroy(KeyDomain::Kek, 2, 0).unwrap_err();
        assert_eq!(in_use.code(), "keys.state");
        next.destroy(KeyDomain::Kek, 1, 0).unwrap();
        assert!(next.unwrap(&[1; 16], &wrapped).is_err());
        assert_eq!(next.unwrap(&[1; 16], &anew).unwrap().as_bytes(), &[5; 32]);
        // Until it takes the next ring in, the shared one is as it was.
        assert!(shared.unwrap(&[1; 16], &anew).is_err());
        shared.take_in(&KeyRing::from_json(&next.to_json()).unwrap()).unwrap();
        assert!(shared.unwrap(&[1; 16], &anew).is_ok());
        assert!(shared.unwrap(&[1; 16], &wrapped).is_err());
        assert_eq!(shared.add_error(), "keys.state");
    }

    impl KeyRing {
        fn add_error(&self) -> &'static str {
            let added = self.copy().add(KeyDomain::Prf, &mut rng(4), later(1));
            added.unwrap_err().code()
        }
    }

    #[test]
    fn a_ring_takes_in_only_newer_versions_of_itself() {
        let shared = ring(1);
        let mut next = shared.copy();
        next.add(KeyDomain::Wrap, &mut rng(2), later(1)).unwrap();
        next.activate(KeyDomain::Wrap, 2, later(1)).unwrap();
        shared.take_in(&next).unwrap();
        assert_eq!(shared.take_in(&ring(1)), Err(KeyError::NotNewer), "back to an older one");
        assert_eq!(shared.take_in(&ring(2)), Err(KeyError::NotNewer), "another secret");
        let named = next.copy().with_origin("consent.example/log").unwrap();
        assert_eq!(shared.take_in(&named), Err(KeyError::NotNewer), "another house");
        assert_eq!(shared.active_version(KeyDomain::Wrap), 2);
    }

    #[test]
    fn the_outer_layer_changes_and_what_is_within_does_not() {
        let old = ring(1);
        let (one, two) = (app("messenger"), app("photo"));
        let (tag, text) =
            (old.account_tag(&one, "anna"), token(&old, "+4915112345678", "messenger", "photo"));
        let bytes = crate::identity::LinkToken::from_bytes(unhex(&text).unwrap());
        let mut new = old.copy();
        new.add(KeyDomain::Wrap, &mut rng(2), later(1)).unwrap();
        new.activate(KeyDomain::Wrap, 2, later(1)).unwrap();
        let anew = new.rewrap_tag(1, &one, &tag).unwrap();
        assert_eq!(anew.as_bytes(), new.account_tag(&one, "anna").as_bytes());
        assert_ne!(anew.as_bytes(), tag.as_bytes());
        let moved = new.rewrap_token(1, &two, &one, &bytes).unwrap();
        assert_eq!(hex(moved.as_bytes()), token(&new, "+4915112345678", "messenger", "photo"));
        // Of another version, app or pair it is none.
        assert!(new.rewrap_tag(2, &one, &tag).is_none() && new.rewrap_tag(1, &two, &tag).is_none());
        assert!(new.rewrap_token(1, &one, &app("social"), &bytes).is_none());
        new.destroy(KeyDomain::Wrap, 1, 0).unwrap();
        assert!(new.rewrap_tag(1, &one, &tag).is_none());
    }

    #[test]
    fn a_signer_that_is_gone_vouches_for_its_time_alone() {
        let mut ring = ring(1);
        let (old, origin) = (ring.log_signer(), "volens.local/log".to_owned());
        let note = |size| {
            old.sign(&Checkpoint { origin: origin.clone(), before: 0, size, root: empty_root() })
        };
        ring.add(KeyDomain::Sign, &mut rng(2), later(1)).unwrap();
        let early = ring.log_signer().sign(&Checkpoint {
            origin: origin.clone(),
            before: 0,
            size: 1,
            root: empty_root(),
        });
        ring.activate(KeyDomain::Sign, 2, later(1)).unwrap();
        assert!(ring.log_verifier().verify(note(9).as_str()).is_ok(), "still in the ring");
        ring.destroy(KeyDomain::Sign, 1, 7).unwrap();
        let read = KeyRing::from_json(&ring.to_json()).unwrap();
        for verifier in [ring.log_verifier(), read.log_verifier()] {
            assert!(verifier.verify(note(7).as_str()).is_ok());
            assert!(verifier.verify(note(8).as_str()).is_err());
            assert!(verifier.verify(early.as_str()).is_ok());
            let own = ring.log_signer().sign(&Checkpoint {
                origin: origin.clone(),
                before: 0,
                size: 8,
                root: empty_root(),
            });
            assert!(verifier.verify(own.as_str()).is_ok());
        }
        assert_eq!(read.retired_signers()[0].1, old.verifier().vkey());
    }

    #[test]
    fn a_ring_of_the_first_format_goes_on_with_the_pepper_it_had() {
        let first = fixed_ring();
        let known = token(&first, "+4915112345678", "messenger", "photo");
        let written = KeyRing::from_json(&first.to_json()).unwrap();
        assert_eq!(token(&written, "+4915112345678", "messenger", "photo"), known);
        let mut next = written.copy();
        next.add(KeyDomain::Pepper, &mut rng(2), later(1)).unwrap();
        next.activate(KeyDomain::Pepper, 2, later(1)).unwrap();
        assert_ne!(token(&next, "+4915112345678", "messenger", "photo"), known);
        assert_eq!(
            next.account_tag(&app("messenger"), "anna").as_bytes(),
            first.account_tag(&app("messenger"), "anna").as_bytes()
        );
    }
}
