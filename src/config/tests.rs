use super::*;

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
}

fn refused(file: Option<&str>, pairs: &[(&str, &str)], flags: &[(&str, String)]) -> ConfigError {
    match load(file, environment(pairs), flags) {
        Ok(_) => panic!("the settings were accepted"),
        Err(error) => error,
    }
}

#[test]
fn defaults_are_loopback_sqlite_and_the_owasp_minimum() {
    let settings = load(None, [], &[]).expect("defaults load");
    assert!(settings.listen.ip().is_loopback());
    assert_eq!(settings.database_url().expose(), "sqlite:volens-data/volens.db");
    assert_eq!(settings.key_file(), Path::new("volens-data/keyring.json"));
    assert_eq!(settings.public_url(), "http://127.0.0.1:8080");
    assert_eq!((settings.stretch.memory_kib, settings.stretch.passes), STRETCH_MINIMUM);
}

#[test]
fn file_then_environment_then_flags() {
    let file = "listen = \"127.0.0.1:1\"\n[web]\nconnections = 1\npage_limit = 100\n";
    let settings = load(
        Some(file),
        environment(&[("VOLENS_WEB_CONNECTIONS", "2"), ("VOLENS_DATA", "/env"), ("HOME", "x")]),
        &[("data", "/flag".to_owned())],
    )
    .expect("valid settings");
    assert_eq!(settings.listen.port(), 1);
    assert_eq!((settings.web.connections, settings.web.page_limit), (2, 100));
    assert_eq!(settings.data, Path::new("/flag"));
}

#[test]
fn unknown_names_are_refused_with_the_nearest() {
    let nearest = |error| match error {
        ConfigError::Unknown { nearest, .. } => nearest,
        other => panic!("{other}"),
    };
    assert_eq!(nearest(refused(Some("[web]\nconections = 1"), &[], &[])), "web.connections");
    assert_eq!(
        nearest(refused(None, &[("VOLENS_LISTS_K_FLOR", "9")], &[])),
        "VOLENS_LISTS_K_FLOOR"
    );
    assert_eq!(nearest(refused(None, &[], &[("lisen", String::new())])), "listen");
    assert!(load(None, environment(&[("VOLENS_REQUIRE", "postgres")]), &[]).is_ok());
}

#[test]
fn nothing_can_be_weakened_below_its_floor() {
    for (name, text) in [
        ("VOLENS_STRETCH_MEMORY_KIB", "19455"),
        ("VOLENS_STRETCH_PASSES", "1"),
        ("VOLENS_LISTS_K_FLOOR", "9"),
        ("VOLENS_WEB_IDEMPOTENCY_HOURS", "23"),
        ("VOLENS_WEB_IDEMPOTENCY_HOURS", "745"),
        ("VOLENS_ACCESS_SESSION_HOURS", "745"),
    ] {
        assert!(matches!(refused(None, &[(name, text)], &[]), ConfigError::Value { .. }));
    }
}

#[test]
fn errors_never_repeat_what_was_written() {
    let secret = "postgres://volens:hunter2@db/volens";
    let wrong_place = refused(None, &[("VOLENS_WEB_CONNECTIONS", secret)], &[]).to_string();
    let broken = refused(Some(&format!("a = 1\n[database]\nurl = {secret}")), &[], &[]);
    assert_eq!(broken, ConfigError::Syntax { line: 3 });
    for text in [wrong_place, broken.to_string(), format!("{:?}", Secret::from(secret.to_owned()))]
    {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_pepper_process_is_on_this_machine_and_has_a_token() {
    let given = |process: &str, token: &str| {
        let flags =
            [("pepper.process", process.to_owned()), ("pepper.token_file", token.to_owned())];
        load(None, [], &flags).map(|settings| settings.pepper.address())
    };
    assert_eq!(given("", ""), Ok(None));
    let unix = PepperAddress::Unix("/run/pepper".into());
    assert_eq!(given("unix:/run/pepper", "/etc/token"), Ok(Some(unix)));
    let port = PepperAddress::Loopback("[::1]:8071".parse().expect("an address"));
    assert_eq!(given("http://[::1]:8071", "/etc/token"), Ok(Some(port)));
    let wrong =
        ["http://10.0.0.7:8071", "https://127.0.0.1:8071", "unix:pepper", "127.0.0.1:8071", "yes"];
    for process in wrong {
        assert!(given(process, "/etc/token").is_err(), "{process}");
    }
    assert!(given("unix:/run/pepper", "").is_err());
}
