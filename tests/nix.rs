use std::fs;

use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::strake::stream;

#[test]
fn a_real_store_optimised_or_not() {
    let store = TestStore::empty();
    let root = store.root();
    let settings = root.join("etc");
    fs::create_dir(&settings).unwrap();
    fs::write(settings.join("nix.conf"), "sandbox = false\nbuild-users-group =\nsubstituters =\n").unwrap();
    let source = root.join("source");
    fs::create_dir_all(source.join("share/deep")).unwrap();
    for index in 0..40 {
        fs::write(source.join(format!("share/deep/{index}")), "the same in all of them\n".repeat(index / 4))
            .unwrap();
    }
    fs::write(root.join("hello.sh"), "#!/bin/sh\necho hello\n").unwrap();
    let nix_store = |arguments: &[&str]| {
        let mut nix = command(require("nix-store"), arguments);
        nix.env("NIX_REMOTE", format!("local?root={}", root.display())).env("NIX_CONF_DIR", &settings);
        nix.env("HOME", root);
        text(&stdout_of(nix))
    };
    let added = nix_store(&["--add", source.to_str().unwrap(), root.join("hello.sh").to_str().unwrap()]);
    let paths: Vec<String> = added.lines().map(str::to_owned).collect();
    assert_eq!(paths.len(), 2, "{added}");
    let conf = store.write_conf("nix", std::slice::from_ref(&paths), |_| ());
    let expected = store.oracle(&conf);
    assert!(stream(&store, &conf).archive() == expected);
    nix_store(&["--optimise"]);
    assert!(fs::read_dir(store.real("/nix/store/.links")).unwrap().count() > 0);
    assert!(stream(&store, &conf).archive() == expected);
    nix_store(&["--verify", "--check-contents"]);
}
