# shadowSetup: commands that make the files for users and groups where they are not there yet, to be used in
# fakeRootCommands with enableFakechroot, where the tree is /. groupadd and useradd can be used behind them.
#
# In a description the same is said by entries: see docs/nix.md.
{ runtimeShell, shadow }:
''
  export PATH=${shadow}/bin:$PATH
  mkdir -p /etc/pam.d
  if [ ! -f /etc/passwd ]; then
    echo 'root:x:0:0::/root:${runtimeShell}' > /etc/passwd
    echo 'root:!x:::::::' > /etc/shadow
  fi
  if [ ! -f /etc/group ]; then
    echo 'root:x:0:' > /etc/group
    echo 'root:x::' > /etc/gshadow
  fi
  if [ ! -f /etc/pam.d/other ]; then
    printf '%s\n' \
      'account sufficient pam_unix.so' \
      'auth sufficient pam_rootok.so' \
      'password requisite pam_unix.so nullok yescrypt' \
      'session required pam_unix.so' > /etc/pam.d/other
  fi
  touch /etc/login.defs
''
