# copyToRoot as a list. `contents` is its old name; `whose` says in an error whose arguments they are.
{ lib }:
whose:
{ copyToRoot, contents }:
let
  root = if copyToRoot == null then contents else copyToRoot;
in
assert lib.assertMsg (
  contents == null || copyToRoot == null
) "${whose}: contents is the old name of copyToRoot; give only one of them";
if root == null then [ ] else lib.toList root
