# mergeImages: one docker-archive with several images, which `docker load` loads all.
#
#   mergeImages [ image… ]    archives, or images that stream; layers that are equal are in it once
{
  archiveOf,
  runCommand,
  strake,
}:
images:
runCommand "merge-docker-images.tar" {
  nativeBuildInputs = [ strake ];
  images = map (image: "${archiveOf image}") images;
} ''
  places=()
  for image in $images; do places+=("docker-archive:$image"); done
  strake merge --no-cache "''${places[@]}" -o "$out"
''
