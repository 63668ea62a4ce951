# caCertificates: the certificates that are usually trusted, under all the names by which programs look for them.
{ cacert, runCommand }:
runCommand "ca-certificates" { } ''
  bundle=${cacert}/etc/ssl/certs/ca-bundle.crt
  for name in etc/ssl/certs/ca-bundle.crt etc/ssl/certs/ca-certificates.crt etc/pki/tls/certs/ca-bundle.crt; do
    mkdir -p "$out/''${name%/*}"
    ln -s "$bundle" "$out/$name"
  done
''
