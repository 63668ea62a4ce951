# Images that the tests build, for each behaviour.
#
#   program    strake's place on this machine
#   nixpkgs    a nixpkgs to take the place of pkgs.nix
{
  program,
  nixpkgs ? null,
}:
let
  small = import ./pkgs.nix { inherit program; };
  pkgs = if nixpkgs == null then small else import nixpkgs { };
  # Whatever the packages are, it is this strake that is tested.
  library = import ../default.nix {
    inherit pkgs;
    inherit (small) strake;
  };
  # Programs for containers.
  busybox = if nixpkgs == null then small.busybox else pkgs.pkgsStatic.busybox;
in
{
  inherit library pkgs;
  # Layers by themselves; `version` is what changes in the application.
  layers =
    version:
    import ./layers.nix {
      inherit pkgs busybox version;
      dockerTools = library;
    };
  examples = import ./examples.nix {
    inherit pkgs busybox;
    dockerTools = library;
  };
}
