# The program strake.
{
  lib,
  stdenv,
  installShellFiles,
  rustPlatform,
}:
let
  root = toString ../.;
  manifest = builtins.fromTOML (builtins.readFile ../Cargo.toml);
  # The files that cargo reads; a change to others builds nothing.
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
  nativeBuildInputs = [ installShellFiles ];
  # The program writes them itself, so it must run here.
  postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
    for shell in bash fish zsh; do
      $out/bin/strake completions $shell > completions.$shell
      installShellCompletion --cmd strake --$shell completions.$shell
    done
    mkdir man
    $out/bin/strake man man
    installManPage man/*
  '';
  # The tests require Docker, Nix, registries and root: tests/run.
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
