use std::fs;
use std::time::Duration;

use proptest::prelude::*;
use strake_testkit::image::Image;
use strake_testkit::registry::{
    Auth, CutUploads, DigestHeader, Effect, Fault, Locations, Mounts, Patches, Personality, Port, Registry,
    Request, Tokens, digest, schedules,
};
use strake_testkit::wait::until;

use crate::registry::{User, events, received};
use crate::strake::Ran;

/// Small ones, so that many can be pushed.
const SIZES: [usize; 3] = [700, 9000, 150_000];

/// An image, and a registry that is to get it.
struct Case {
    user: User,
    image: Image,
    registry: Registry,
}

impl Case {
    fn new(personality: Personality) -> Self {
        let user = User::new();
        let image = user.image(&SIZES);
        Self { user, image, registry: Registry::start(personality) }
    }

    fn with(faults: &[Fault]) -> Self {
        Self::new(Personality { faults: faults.to_vec(), ..Personality::default() })
    }

    fn name(&self) -> String {
        format!("docker://{}/app:1", self.registry.address())
    }

    fn push(&self, options: &[&str]) -> Ran {
        let says = options.iter().any(|option| option.starts_with("--compress"));
        let plain: &[&str] = if says { &[] } else { &["--compress=none"] };
        self.user.run(&[&["copy", "--json"], plain, options, &["oci:image", &self.name()]].concat())
    }

    /// The image is there, byte for byte, or its tag is not.
    fn all_or_nothing(&self) -> bool {
        let is_there = self.registry.manifest("app", "1").is_some();
        if is_there {
            assert_eq!(self.registry.complete("app", "1"), Ok(()));
            assert_eq!(self.registry.manifest("app", "1").unwrap().1, self.image.manifest);
        }
        is_there
    }

    /// It gets there although this goes wrong.
    fn arrives(&self, options: &[&str]) -> Ran {
        let ran = self.push(options);
        assert_eq!(ran.code, Some(0), "{}\n{:#?}", ran.stderr, self.lines());
        assert!(self.all_or_nothing(), "{}", ran.stderr);
        ran
    }

    fn lines(&self) -> Vec<String> {
        self.registry.requests().iter().map(Request::line).collect()
    }

    /// How many requests there were of this kind.
    fn count(&self, method: &str, path: &str) -> usize {
        self.registry.count(method, path)
    }
}

/// It never says that all went well when it did not, and leaves nothing that a second run could not finish.
fn check(case: &Case, ran: &Ran) -> Result<(), TestCaseError> {
    prop_assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let is_there = case.all_or_nothing();
    match ran.code {
        Some(0) => prop_assert!(is_there, "{}", ran.stderr),
        Some(1) => prop_assert!(events(ran, "error").len() == 1, "{}", ran.stderr),
        other => prop_assert!(false, "{other:?} {}", ran.stderr),
    }
    case.registry.set_personality(Personality::default());
    prop_assert_eq!(case.push(&[]).code, Some(0));
    prop_assert!(case.all_or_nothing());
    Ok(())
}

fn token(tokens: Tokens) -> Personality {
    Personality { auth: Auth::Token(tokens), ..Personality::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 20, ..ProptestConfig::default() })]

    #[test]
    fn whatever_goes_wrong(
        faults in schedules(4),
        cut_uploads in prop::sample::select(vec![CutUploads::Kept, CutUploads::Lost]),
        locations in prop::sample::select(vec![Locations::Relative, Locations::Absolute, Locations::OtherHost]),
        patches in prop::sample::select(vec![Patches::Appended, Patches::Created]),
        chunk_min_length in prop::sample::select(vec![None, Some(10_000)]),
        options in prop::sample::select(vec![&["--compress=none"][..], &["--compress=gzip"], &["--compress=none", "--uploads=1"]]),
        too in prop::sample::select(vec![None, Some("oci-archive:too.tar")]),
    ) {
        let personality =
            Personality { faults, cut_uploads, locations, patches, chunk_min_length, ..Personality::default() };
        let case = Case::new(personality);
        // With another place to go to, layers are sent while they are written there.
        let ran = case.user.run(&[&["copy", "--json"], options, &["oci:image", &case.name()], too.as_slice()].concat());
        prop_assert!(ran.code != Some(0) || too.is_none() || case.user.path("too.tar").exists());
        if options != ["--compress=gzip"] {
            return check(&case, &ran);
        }
        // Another image, which is as good.
        prop_assert_eq!(case.registry.manifest("app", "1").is_some(), case.registry.complete("app", "1").is_ok());
        prop_assert!(ran.code != Some(0) || case.registry.complete("app", "1").is_ok());
        case.registry.set_personality(Personality::default());
        prop_assert_eq!(case.push(options).code, Some(0));
        case.user.ok(&["verify", &case.name()]);
    }
}

#[test]
fn too_many_requests() {
    for effect in [Effect::RetryAfter(429, 1), Effect::RetryAfterDate(429, 2), Effect::RetryAfter(503, 1)] {
        let case = Case::with(&[Fault::burst("POST", "/blobs/uploads/", 2, 2, effect.clone())]);
        let begun = std::time::Instant::now();
        case.arrives(&[]);
        // A date is known to the second only.
        assert!(begun.elapsed() >= Duration::from_millis(990), "{effect:?} {:?}", begun.elapsed());
    }
    // Longer than anybody waits.
    let case = Case::with(&[Fault::burst("", "", 5, 100, Effect::RetryAfter(429, 86_400))]);
    case.user.run(&["copy", "oci:image", &case.name()]).failed(&["; it asks to wait for 86400 s", "hint:"]);
    assert!(!case.all_or_nothing());
}

/// All that is asked in a push.
const REQUESTS: [(&str, &str); 6] = [
    ("GET", "/v2/"),
    ("HEAD", "/manifests/"),
    ("HEAD", "/blobs/"),
    ("POST", "/blobs/uploads/"),
    ("PUT", "/blobs/uploads/"),
    ("PUT", "/manifests/"),
];

#[test]
fn every_kind_of_request_is_tried_again() {
    for (method, path) in REQUESTS {
        for effect in [
            Effect::Status(500),
            Effect::Status(429),
            Effect::CutRequest(0),
            Effect::CutResponse(5),
            Effect::CutResponse(0),
        ] {
            let case = Case::with(&[Fault::burst(method, path, 1, 2, effect)]);
            case.arrives(&[]);
        }
    }
}

#[test]
fn tokens_are_asked_for_again() {
    for effect in
        [Effect::Status(503), Effect::CutRequest(0), Effect::CutResponse(5), Effect::CutResponse(120)]
    {
        let faults = vec![Fault::burst("GET", "/token", 1, 2, effect)];
        let case = Case::new(Personality { faults, ..token(Tokens::new("tester", "secret")) });
        case.arrives(&["--creds=tester:secret"]);
        assert!(case.count("GET", "/token") >= 3);
    }
}

/// A token ends between the bytes of a layer and the request that ends its upload, and the next one has to wait.
#[test]
fn no_layer_is_sent_again_because_of_a_token() {
    let uploads = |faults: &[Fault]| {
        let slow = Fault::burst("PATCH", "", 1, 100, Effect::OutliveTokens);
        let tokens = Tokens { expires_in: Some(1), ..Tokens::new("tester", "secret") };
        let case = Case::new(Personality { faults: [&[slow], faults].concat(), ..token(tokens) });
        let ran = case.push(&["--creds=tester:secret", "--uploads=1", "--compress=gzip"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        (case.count("POST", "/blobs/uploads/"), case.count("PATCH", "/blobs/uploads/"))
    };
    let expected = uploads(&[]);
    assert!(expected.1 > 0, "nothing is slow");
    for first in 2..5 {
        assert_eq!(
            uploads(&[Fault::burst("GET", "/token", first, 2, Effect::Status(503))]),
            expected,
            "{first}"
        );
    }
}

#[test]
fn nothing_is_tried_for_ever() {
    std::thread::scope(|scope| {
        for (method, path) in REQUESTS {
            scope.spawn(move || {
                let case = Case::with(&[Fault::burst(method, path, 1, 1000, Effect::RetryAfter(503, 0))]);
                let ran = case.push(&["--uploads=1"]);
                check(&case, &ran).unwrap();
                assert_eq!(ran.code, Some(1), "{method} {path}");
                let error = &events(&ran, "error")[0];
                assert!(error["message"].as_str().unwrap().contains("service unavailable (503)"), "{error}");
                assert!(error["hint"].is_string(), "{error}");
            });
        }
    });
}

#[test]
fn cut_anywhere() {
    for cut_uploads in [CutUploads::Kept, CutUploads::Lost] {
        for place in [1, 1000, 70_000, 151_000] {
            for (method, effect) in [
                ("PUT", Effect::CutRequest(place)),
                ("PUT", Effect::CutResponse(place.min(150))),
                ("POST", Effect::CutResponse(place.min(150))),
                ("PATCH", Effect::CutRequest(place)),
            ] {
                let fault = Fault::once(method, "/blobs/uploads/", 1, effect);
                let options: &[&str] = if method == "PATCH" { &["--chunk-size=1"] } else { &["--uploads=1"] };
                let case =
                    Case::new(Personality { faults: vec![fault], cut_uploads, ..Personality::default() });
                case.arrives(options);
            }
        }
    }
}

#[test]
fn an_answer_that_is_lost_is_not_asked_for_again() {
    let case = Case::with(&[Fault::once("PUT", "/blobs/uploads/", 1, Effect::CutResponse(0))]);
    case.arrives(&["--uploads=1"]);
    // It was looked for, and is there: it is not sent twice.
    assert_eq!(case.count("PUT", "/blobs/uploads/"), SIZES.len() + 1);
    let case = Case::with(&[Fault::once("PUT", "/manifests/", 1, Effect::CutResponse(0))]);
    case.arrives(&[]);
}

#[test]
fn a_slow_commit_is_waited_for() {
    let case = Case::new(Personality { commit_delay: Duration::from_secs(3), ..Personality::default() });
    case.arrives(&[]);
    assert_eq!(case.count("PUT", "/blobs/uploads/"), SIZES.len() + 1);
}

#[test]
fn mounts_that_are_refused() {
    for mounts in
        [Mounts::Done, Mounts::Refused, Mounts::Failing(403), Mounts::Failing(404), Mounts::Failing(405)]
    {
        let case = Case::new(Personality { mounts, ..Personality::default() });
        case.image.put(&case.registry, "from", "1");
        let from = format!("docker://{}/from:1", case.registry.address());
        let ran = case.user.ok(&["copy", "--json", &from, &case.name()]);
        assert!(case.all_or_nothing(), "{mounts:?}");
        let mounted = events(&ran, "blob").iter().filter(|event| event["outcome"] == "mounted").count();
        assert_eq!(mounted, if mounts == Mounts::Done { SIZES.len() } else { 0 });
        assert_eq!(case.registry.open_uploads(), 0);
        let posts = case.count("POST", "/blobs/uploads/");
        // A session that comes in place of a mount is used.
        let expected = SIZES.len() + 1 + if let Mounts::Failing(_) = mounts { SIZES.len() } else { 0 };
        assert_eq!(posts, expected, "{mounts:?} {:#?}", case.lines());
    }
}

#[test]
fn heads_that_lie() {
    let image = Image::of_sizes(&SIZES);
    let lie = |place: usize, more: u64| {
        let blob: &Vec<u8> = &image.blobs[place];
        (digest(blob), blob.len() as u64 + more)
    };
    for lying_heads in [vec![lie(2, 0)], vec![lie(0, 0), lie(1, 0), lie(2, 0), lie(3, 0)], vec![lie(3, 1)]] {
        let case = Case::new(Personality { lying_heads: lying_heads.clone(), ..Personality::default() });
        case.arrives(&[]);
        let all = case.image.blobs.iter().map(Vec::len).sum::<usize>() as u64;
        let manifests = case.image.manifest.len() as u64 * case.count("PUT", "/manifests/") as u64;
        assert_eq!(received(&case.registry), all + manifests, "nothing is sent twice: {lying_heads:?}");
    }
}

#[test]
fn digest_headers() {
    let case = Case::new(Personality { digest_header: DigestHeader::Missing, ..Personality::default() });
    case.arrives(&[]);
    case.arrives(&[]);
    case.user.ok(&["verify", &case.name()]);
    let case = Case::new(Personality { digest_header: DigestHeader::Wrong, ..Personality::default() });
    case.user.run(&["copy", "oci:image", &case.name()]).failed(&["in place of"]);
    case.user.run(&["verify", &case.name()]).failed(&["in place of"]);
}

#[test]
fn uploads_go_on_where_the_registry_says() {
    for locations in [Locations::Relative, Locations::Absolute, Locations::OtherHost] {
        let auth = Auth::Basic("tester".to_owned(), "secret".to_owned());
        let case = Case::new(Personality { locations, auth, ..Personality::default() });
        for options in
            [&["--creds=tester:secret"][..], &["--creds=tester:secret", "--chunk-size=1", "--annotation=a=b"]]
        {
            assert_eq!(case.push(options).code, Some(0), "{:#?}", case.lines());
        }
        assert_eq!(case.registry.complete("app", "1"), Ok(()));
        let is_there = case.registry.requests().iter().any(|request| request.port == Port::Storage);
        // The registry panics if credentials come to the other host.
        assert_eq!(is_there, locations == Locations::OtherHost);
    }
}

#[test]
fn chunks() {
    for (personality, options, expected) in [
        (Personality::default(), &[][..], 0),
        (Personality { chunk_min_length: Some(50_000), ..Personality::default() }, &[], SIZES.len() + 1),
        (
            Personality { patches: Patches::Created, ..Personality::default() },
            &["--chunk-size=1"],
            SIZES.len() + 1,
        ),
        // Less than a blob in a piece: smaller pieces are tried until they are taken.
        (Personality { max_body: Some(140_000), ..Personality::default() }, &[], 2),
        (
            Personality { patches: Patches::OnlyOne, ..Personality::default() },
            &["--compress=gzip"],
            SIZES.len(),
        ),
    ] {
        let case = Case::new(personality.clone());
        let ran = case.push(options);
        assert_eq!(ran.code, Some(0), "{personality:?} {}\n{:#?}", ran.stderr, case.lines());
        assert_eq!(case.registry.complete("app", "1"), Ok(()));
        let patches = case.registry.requests();
        let patches =
            patches.iter().filter(|request| request.method == "PATCH" && request.status < Some(300)).count();
        assert_eq!(patches, expected, "{personality:?} {:#?}", case.lines());
        assert_eq!(case.registry.open_uploads(), 0);
    }
    // Nothing is small enough.
    let case = Case::new(Personality { max_body: Some(10_000), ..Personality::default() });
    case.user
        .run(&["copy", "--compress=none", "oci:image", &case.name()])
        .failed(&["no chunk is small enough"]);
    assert!(!case.all_or_nothing());
}

#[test]
fn tokens_that_end_in_mid_push() {
    for (uses, expires_in) in [(Some(5), Some(300)), (Some(6), None), (Some(7), None), (None, Some(1))] {
        let tokens = Tokens { uses, expires_in, ..Tokens::new("tester", "secret") };
        let case = Case::new(token(tokens));
        // One after the other: they have the token together.
        case.arrives(&["--creds=tester:secret", "--uploads=1"]);
        case.user.ok(&["verify", "--creds=tester:secret", &case.name()]);
    }
}

#[test]
fn killed_at_every_request() {
    let case = Case::with(&[]);
    case.arrives(&[]);
    let requests = case.registry.requests().len() as u32;
    for first in 1..=requests {
        let case = Case::with(&[Fault::once("", "", first, Effect::Hold)]);
        let mut child =
            case.user.command(&["copy", "-q", "--uploads=1", "oci:image", &case.name()]).spawn().unwrap();
        // It has been carried out, and is not answered.
        let held = || case.registry.requests().iter().any(|request| request.held).then_some(());
        until(held, || format!("for request {first}: {:#?}", case.lines()));
        child.kill().unwrap();
        assert!(!child.wait().unwrap().success(), "{first}");
        case.all_or_nothing();
        case.registry.set_personality(Personality::default());
        case.arrives(&[]);
        assert_eq!(fs::read_dir(case.user.home()).unwrap().count(), 2, "image and cache");
    }
}
