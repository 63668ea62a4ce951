# binSh: /bin/sh, which is bash with line editing, so that `docker run -it` is good to use.
{ bashInteractive, runCommand }:
runCommand "bin-sh" { } ''
  mkdir -p "$out/bin"
  ln -s ${bashInteractive}/bin/bash "$out/bin/sh"
''
