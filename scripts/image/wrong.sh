#!/usr/bin/env bash
# To be sourced: Dockerfiles with mistakes, and the words in which the checks find each. Needs `build` and `check`.

finds_wrong_images() {
  local found=0
  # What is seen without running it.
  wrong \
    's/^(FROM node:[^@]+)@sha256:[0-9a-f]+ AS base$/\1 AS base/' 'not pinned by a digest' \
    's/^USER .*/USER 0:0/' 'USER 0:0: not the numbers' \
    's/^ENTRYPOINT .*/ENTRYPOINT node dist\/main.js/' 'does not run Node itself' \
    's/^HEALTHCHECK .*/HEALTHCHECK CMD node dist\/main.js health/' 'HEALTHCHECK CMD-SHELL' \
    's/^CMD .*/CMD ["dev"]/' 'CMD dev: does not serve' \
    's/^EXPOSE .*/EXPOSE 80/' 'EXPOSE 80/tcp' \
    's/NODE_ENV=production/API_TOKEN=1 VERBOSE=1/' 'NODE_ENV is not production' \
    '' 'ENV API_TOKEN: settings of the build or secrets' \
    '' 'ENV VERBOSE: not expected' \
    's/^( +org.opencontainers.image.)licenses=.*/\1licenses=MIT/' 'the label licenses is not Apache-2.0' \
    's/^LABEL org.opencontainers.image.title=/LABEL name=/' 'no label title' \
    's/ LICENSE \.\/$/ tsconfig.json .\//' '/app/LICENSE is missing' \
    '' '/app/tsconfig.json: not expected' \
    's/^COPY docs.*/&\nCOPY .npmrc src docs\//' '/app/docs/.npmrc: may be a secret' \
    '' 'does not belong into an image' \
    's/^COPY --from=build/COPY --chown=1000:1000 --from=build/' 'owned by 1000:1000' \
    's/^COPY package/COPY --chmod=666 package/' 'mode 666' \
    's/ \/app\/native\/licences.txt//' '/app/native/licences.txt: no licences' \
    's/^COPY --from=dependencies .*/&\nCOPY package.json node_modules\/vaultspan\/package.json/' 'vaultspan@'"$(node -p 'require("./package.json").version')"' is installed, and not in the SBOM' \
    's/^USER/COPY LICENSE \/etc\/licence\nUSER/' '/etc/licence: written outside of /app'
  # What is seen while it runs.
  wrong 's/^ENTRYPOINT .*/ENTRYPOINT ["node", "main.js"]/' 'the image does not start'
  wrong \
    's/^USER/COPY LICENSE native\/vaultspan-native.node\nUSER/' 'the native accelerator is not chosen' \
    's/(^HEALTHCHECK .*)config.yaml/\1other.yaml/' 'HEALTHCHECK ends with 2 beside a healthy service' \
    's/(^CMD .*)config.yaml/\1other.yaml/' 'CMD: '
  wrong 's/^HEALTHCHECK .*/HEALTHCHECK CMD ["node", "--version"]/' 'HEALTHCHECK ends with 0 without a service'
  wrong 's/^ENTRYPOINT .*/ENTRYPOINT ["node", "--import", "data:text\/javascript,process.on(`SIGTERM`,()=>process.exit(3))", "dist\/main.js"]/' \
    'SIGTERM: the service ended with 3'
  echo "image: $found mistakes in Dockerfiles found"
}

# wrong EXPRESSION WORDS…: in the image of the Dockerfile after each `sed -E EXPRESSION`, each mistake must be found in its words. An empty expression
# adds words for the one before.
wrong() {
  local words=()
  cp Dockerfile "$work/Dockerfile"
  while [ "$#" -gt 0 ]; do
    if [ -n "$1" ]; then
      cp "$work/Dockerfile" "$work/before"
      sed -i -E "$1" "$work/Dockerfile"
      ! cmp -s "$work/before" "$work/Dockerfile" || fail "changes nothing: $1"
    fi
    words+=("$2")
    shift 2
  done
  build "$work/Dockerfile" || fail "a wrong Dockerfile does not build, for: ${words[*]}: $(tail -5 "$work/log")"
  ! check "$work/Dockerfile" >"$work/faults" || fail "accepts an image with: ${words[*]}"
  for one in "${words[@]}"; do
    grep -qF -- "$one" "$work/faults" || fail "does not find '$one', but: $(cut -c1-300 "$work/faults" | head -40)"
    found=$((found + 1))
  done
}

# The context has only what git knows, and nothing that the Dockerfile has no use for.
check_context() {
  local foreign
  foreign=$(foreign_files .dockerignore)
  [ -z "$foreign" ] || fail "the context has $foreign"
  grep -v '^\*\*/\*\.pem$' .dockerignore >"$work/dockerignore"
  foreign=$(foreign_files "$work/dockerignore")
  [ "$foreign" = ./src/local.pem ] || fail "a key in the context is not found, but: $foreign"
}

# Prints the planted files, and the folders of no use, that a context has.
foreign_files() {
  local container
  printf 'FROM scratch\nCOPY . /\n' >"$work/Dockerfile"
  ignore=$1 build "$work/Dockerfile" || fail "the context cannot be copied: $(tail -5 "$work/log")"
  container=$("${buildah[@]}" from --pull-never localhost/checked)
  (
    cd "$("${buildah[@]}" mount "$container")"
    grep -rlx planted . || true
    find . -maxdepth 1 -name test -o -maxdepth 1 -name bench -o -maxdepth 1 -name deploy
  )
  "${buildah[@]}" rm "$container" >/dev/null
}
