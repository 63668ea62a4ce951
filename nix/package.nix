# The program strake.
{ lib, rustPlatform }:
let
  root = toString ../.;
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
  # What cargo reads; a change elsewhere builds nothing.
  kept = [
    "Cargo.lock"
    "Cargo.toml"
    "crates"
    "tests"
  ];
in
rustPlatform.buildRustPackage {
  pname = "strake";
  version = manifest.workspace.package.version;
  src = builtins.path {
    path = ../.;
    name = "strake-source";
    filter =
      path: _:
      let
        below = lib.removePrefix "${root}/" path;
      in
      builtins.elem (builtins.head (builtins.split "/" below)) kept;
  };
  cargoLock.lockFile = ../Cargo.lock;
  buildType = "dist";
  cargoBuildFlags = [
    "--package"
    "strake"
  ];
  # The tests want Docker, Nix, registries and root: tests/run.
  doCheck = false;
  meta = {
    description = "Lays container images straight over a Nix store";
    license = [
      lib.licenses.mit
      lib.licenses.asl20
    ];
    mainProgram = "strake";
    platforms = lib.platforms.linux;
  };
}
