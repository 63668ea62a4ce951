use data_encoding::BASE64;
use strake_testkit::registry::{Auth, Personality, Port, Registry, Tokens, digest};

use crate::client::{Answer, ask, ask_at};

const PUSH: &str = "POST /v2/a/b/blobs/uploads/";

fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", BASE64.encode(format!("{user}:{password}").as_bytes()))
}

fn with(tokens: Tokens) -> Registry {
    Registry::start(Personality { auth: Auth::Token(tokens), ..Personality::default() })
}

fn tokens() -> Tokens {
    Tokens::new("me", "secret")
}

/// A header with the token that is given for a scope.
fn bearer(registry: &Registry, scope: &str) -> String {
    let line = format!("GET /token?service=strake.test&scope={scope}");
    bearer_of(&ask(registry, &line, &basic("me", "secret"), b""))
}

fn bearer_of(answer: &Answer) -> String {
    assert_eq!(answer.status, Some(200), "{answer:?}");
    let value: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    format!("Authorization: Bearer {}\r\n", value["access_token"].as_str().unwrap())
}

fn challenge(answer: &Answer) -> &str {
    assert_eq!((answer.status, &*answer.code()), (Some(401), "UNAUTHORIZED"));
    answer.header("www-authenticate").unwrap()
}

#[test]
fn passwords() {
    let auth = Auth::Basic("me".to_owned(), "a:b".to_owned());
    let registry = Registry::start(Personality { auth, ..Personality::default() });
    assert_eq!(challenge(&ask(&registry, PUSH, "", b"")), "Basic realm=\"strake's tests\"");
    assert_eq!(ask(&registry, PUSH, &basic("me", "a"), b"").status, Some(401));
    assert_eq!(ask(&registry, PUSH, &basic("me", "a:b"), b"").status, Some(202));
    assert_eq!(ask(&registry, "GET /token?service=strake.test", "", b"").status, Some(404));
}

#[test]
fn challenges_say_what_is_needed() {
    let registry = with(tokens());
    let (realm, service) = ("http://registry/token", "strake.test");
    let prefix = format!("Bearer realm=\"{realm}\",service=\"{service}\"");
    let some = digest(b"x");
    for (line, scope) in [
        ("GET /v2/".to_owned(), String::new()),
        (PUSH.to_owned(), ",scope=\"repository:a/b:pull,push\"".to_owned()),
        ("GET /v2/a/b/tags/list".to_owned(), ",scope=\"repository:a/b:pull\"".to_owned()),
        (format!("DELETE /v2/a/b/blobs/{some}"), ",scope=\"repository:a/b:delete\"".to_owned()),
        (
            format!("POST /v2/a/b/blobs/uploads/?mount={some}&from=c"),
            ",scope=\"repository:a/b:pull,push repository:c:pull\"".to_owned(),
        ),
    ] {
        assert_eq!(challenge(&ask(&registry, &line, "", b"")), format!("{prefix}{scope}"), "{line}");
    }
    let pull = bearer(&registry, "repository:a/b:pull");
    let refused = ask(&registry, PUSH, &pull, b"");
    assert!(challenge(&refused).ends_with(",error=\"insufficient_scope\""));
    let push = bearer(&registry, "repository:a/b:push,pull");
    assert_eq!(ask(&registry, PUSH, &push, b"").status, Some(202));
    let both = bearer(&registry, "repository:a/b:push,pull&scope=repository:c:pull");
    let mount = format!("POST /v2/a/b/blobs/uploads/?mount={some}&from=c");
    assert_eq!(ask(&registry, &mount, &push, b"").status, Some(401));
    assert_eq!(ask(&registry, &mount, &both, b"").status, Some(202));
    let unknown = ask(&registry, PUSH, "Authorization: Bearer x\r\n", b"");
    assert!(challenge(&unknown).ends_with(",error=\"invalid_token\""));
}

#[test]
fn tokens_end() {
    let push = "repository:a/b:pull,push";
    let registry = with(Tokens { uses: Some(2), ..tokens() });
    let token = bearer(&registry, push);
    let statuses = [0; 3].map(|_| ask(&registry, PUSH, &token, b"").status);
    assert_eq!(statuses, [Some(202), Some(202), Some(401)]);
    assert_eq!(ask(&registry, PUSH, &bearer(&registry, push), b"").status, Some(202));

    let registry = with(Tokens { expires_in: Some(0), ..tokens() });
    assert_eq!(ask(&registry, PUSH, &bearer(&registry, push), b"").status, Some(401));

    let registry = with(Tokens { denied: vec![("a/b".to_owned(), "push")], ..tokens() });
    let token = bearer(&registry, push);
    assert!(challenge(&ask(&registry, PUSH, &token, b"")).ends_with("insufficient_scope\""));
    assert_eq!(ask(&registry, "GET /v2/a/b/tags/list", &token, b"").code(), "NAME_UNKNOWN");
}

#[test]
fn who_gets_tokens() {
    let get = "GET /token?service=strake.test&scope=repository:a/b:pull,push";
    let registry = with(tokens());
    for headers in [String::new(), basic("me", "x")] {
        assert_eq!(ask(&registry, get, &headers, b"").status, Some(401));
    }
    assert_eq!(
        ask(&registry, &get.replace("strake", "other"), &basic("me", "secret"), b"").status,
        Some(400)
    );
    assert_eq!(ask(&registry, "POST /token", "", b"grant_type=password").status, Some(405));

    let registry = with(Tokens { anonymous_pull: true, ..tokens() });
    let token = bearer_of(&ask(&registry, get, "", b""));
    assert_eq!(ask(&registry, "GET /v2/a/b/tags/list", &token, b"").code(), "NAME_UNKNOWN");
    assert_eq!(ask(&registry, PUSH, &token, b"").status, Some(401));

    let registry = with(Tokens { other_port: true, ..tokens() });
    let realm = format!("realm=\"http://{}/token\"", registry.address_of(Port::Tokens));
    assert!(challenge(&ask(&registry, PUSH, "", b"")).contains(&realm));
    assert_eq!(ask(&registry, get, &basic("me", "secret"), b"").status, Some(404));
    let token = bearer_of(&ask_at(&registry, Port::Tokens, get, &basic("me", "secret"), b""));
    assert_eq!(ask(&registry, PUSH, &token, b"").status, Some(202));
}

#[test]
fn tokens_for_identity_tokens() {
    let registry = with(Tokens { identity_token: Some("i/d".to_owned()), ..tokens() });
    let post = |fields: &str| {
        let form = format!("service=strake.test&client_id=x&scope=repository:a/b:pull,push&{fields}");
        ask(&registry, "POST /token", "Content-Type: application/x-www-form-urlencoded\r\n", form.as_bytes())
    };
    for fields in
        ["grant_type=refresh_token&refresh_token=i%2Fd", "grant_type=password&username=me&password=secret"]
    {
        let token = bearer_of(&post(fields));
        assert_eq!(ask(&registry, PUSH, &token, b"").status, Some(202));
    }
    for (fields, status) in [
        ("grant_type=refresh_token&refresh_token=x", 401),
        ("grant_type=password&username=me&password=x", 401),
        ("grant_type=x", 400),
    ] {
        assert_eq!(post(fields).status, Some(status), "{fields}");
    }
}
