# syntax=docker/dockerfile:1
# scripts/check-image.sh builds and runs this file with Buildah, on a stand-in where the base image cannot be pulled.
# The base is the official Node image, pinned by the digest of its multi-platform index. Dependabot proposes newer ones.
# Node as repackaged by npm is not used here: it is for `npm start` and `npm test` on a developer's machine.
FROM node:26-bookworm-slim@sha256:367679cf9792759492a486e4aa4b421764d71a9546a6dae8aab81a99eb797b3e AS base
WORKDIR /app
COPY package.json package-lock.json .npmrc ./

# TypeScript's compiler is itself an optional package, so this stage installs those and removes the repackaged Node.
FROM base AS build
RUN npm ci --ignore-scripts && rm -rf node_modules/node-linux-* node_modules/.bin/node
COPY tsconfig*.json openapi.yaml ./
COPY src src
COPY console console
COPY scripts scripts
COPY native/Cargo.lock native/licences.json native/
RUN npm run build && npm run -s sbom >dist/sbom.cdx.json

FROM base AS dependencies
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# The native accelerator. Debian's rustc-web is the Rust that builds its browsers: newer than its rustc, and kept up to date.
FROM dependencies AS native
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates cargo-web gcc libc6-dev rustc-web
COPY native native
COPY scripts/native.ts scripts/crates.ts scripts/
RUN npm run native

# Nothing at run time needs a shell, a package manager or a writable file system. The configuration names the
# writable paths: audit.directory, and database.file without PostgreSQL.
FROM node:26-bookworm-slim@sha256:367679cf9792759492a486e4aa4b421764d71a9546a6dae8aab81a99eb797b3e
LABEL org.opencontainers.image.title=vaultspan \
      org.opencontainers.image.description="Encrypts a SaaS vendor's data under each customer's own Azure Key Vault key" \
      org.opencontainers.image.licenses=Apache-2.0
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/node-compile-cache
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY --from=native /app/native/vaultspan-native.node /app/native/licences.txt native/
COPY package.json openapi.yaml LICENSE ./
COPY docs/licences.md docs/
# A number, since runAsNonRoot cannot check a name. It is the image's user `node`.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "dist/main.js", "health", "--config", "/etc/vaultspan/config.yaml"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve", "--config", "/etc/vaultspan/config.yaml"]
