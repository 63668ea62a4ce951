use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use strake_testkit::command::{command, stdout_of, text};
use strake_testkit::peer::require;
use strake_testkit::store::TestStore;

use crate::strake::stream;

/// Nix in a store that is not at its place always builds in a sandbox: the builders get this machine's programs.
const SETTINGS: &str = "sandbox = false\nbuild-users-group =\nsubstituters =\n\
                        sandbox-paths = /bin /usr /lib /lib64?\n";

/// A program, a library that it needs, and a customisation layer as dockerTools makes them.
pub(crate) const DERIVATIONS: &str = r#"
let
  make = name: script: arguments: derivation ({
    inherit name;
    system = builtins.currentSystem;
    builder = "/bin/sh";
    args = [ "-euc" script ];
    PATH = "/bin:/usr/bin";
  } // arguments);
in rec {
  library = make "library-1.0" "mkdir -p $out/lib; for i in 1 2 3; do echo the same > $out/lib/$i; done" { };
  tool = make "tool-1.0" ''
    mkdir -p $out/bin
    ln -s $library/lib/1 $out/bin/data
    echo the same > $out/copy
    printf '#!/bin/sh\necho tool\n' > $out/bin/tool
    chmod +x $out/bin/tool
  '' { inherit library; };
  layer = make "customisation-layer" ''
    mkdir -p $out tree/bin
    ln -s $tool/bin/tool tree/bin/tool
    tar --create --file=$out/layer.tar --directory=tree --sort=name --mtime=@1 --owner=root:0 --group=root:0 .
    sha256sum $out/layer.tar | cut -d ' ' -f 1 > $out/checksum
  '' { inherit tool; };
}
"#;

/// Runs one of Nix's programs, without a daemon, in the store below `root`.
pub(crate) fn nix(root: &Path, program: &str, arguments: &[&str]) -> String {
    let settings = root.join("etc");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("nix.conf"), SETTINGS).unwrap();
    let mut nix = command(require(program), arguments);
    nix.env("NIX_REMOTE", format!("local?root={}", root.display())).env("NIX_CONF_DIR", &settings);
    nix.env("HOME", root);
    text(&stdout_of(nix))
}

#[test]
#[ignore = "needs root, nix-build, nix-store"]
fn a_closure_that_nix_built() {
    let store = TestStore::empty();
    let root = store.root();
    let file = root.join("default.nix");
    fs::write(&file, DERIVATIONS).unwrap();
    let build = |attribute| {
        let arguments = ["--no-out-link", file.to_str().unwrap(), "-A", attribute];
        nix(root, "nix-build", &arguments).trim().to_owned()
    };
    let (tool, layer) = (build("tool"), build("layer"));
    let closure = nix(root, "nix-store", &["--query", "--requisites", &tool]);
    let layers: Vec<Vec<String>> = closure.lines().map(|path| vec![path.to_owned()]).collect();
    assert_eq!(layers.len(), 2, "{closure}");
    let conf = store.write_conf("built", &layers, |conf| {
        conf["customisation_layer"] = layer.into();
        conf["config"]["Cmd"] = serde_json::json!(["/bin/tool"]);
    });
    let expected = store.oracle(&conf);
    assert!(stream(&store, &conf).archive() == expected);
    nix(root, "nix-store", &["--optimise"]);
    let copy = fs::metadata(store.real(&tool).join("copy")).unwrap();
    assert!(copy.nlink() >= 5, "the copy and the library's three files are links of one: {}", copy.nlink());
    assert!(stream(&store, &conf).archive() == expected);
}

#[test]
#[ignore = "needs nix-store"]
fn a_real_store_optimised_or_not() {
    let store = TestStore::empty();
    let root = store.root();
    let source = root.join("source");
    fs::create_dir_all(source.join("share/deep")).unwrap();
    for index in 0..40 {
        fs::write(source.join(format!("share/deep/{index}")), "the same in all of them\n".repeat(index / 4))
            .unwrap();
    }
    fs::write(root.join("hello.sh"), "#!/bin/sh\necho hello\n").unwrap();
    let nix_store = |arguments: &[&str]| nix(root, "nix-store", arguments);
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
