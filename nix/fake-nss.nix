# fakeNss: /etc/passwd, /etc/group and /etc/nsswitch.conf with root and nobody, for programs that look up names.
#
#   extraPasswdLines, extraGroupLines    more lines, given by fakeNss.override
{ lib, runCommand }:
lib.makeOverridable (
  {
    extraPasswdLines ? [ ],
    extraGroupLines ? [ ],
  }:
  let
    lines = lib.concatMapStringsSep "\n" toString;
  in
  runCommand "fake-nss" {
    passwd = lines (
      [
        "root:x:0:0:root user:/var/empty:/bin/sh"
        "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
      ]
      ++ extraPasswdLines
    );
    group = lines (
      [
        "root:x:0:"
        "nobody:x:65534:"
      ]
      ++ extraGroupLines
    );
  } ''
    mkdir -p "$out/etc" "$out/var/empty"
    printf '%s\n' "$passwd" > "$out/etc/passwd"
    printf '%s\n' "$group" > "$out/etc/group"
    echo 'hosts: files dns' > "$out/etc/nsswitch.conf"
  ''
) { }
