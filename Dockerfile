# syntax=docker/dockerfile:1
# Not built where it was written, which has no Docker engine; its steps were run by hand.
FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig*.json ./
COPY src src
RUN npm run build

# Without the optional packages: they are only the Node binaries for developers' machines.
FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts

# Nothing at run time needs a shell, a package manager or a writable file system; what is written goes where the configuration
# says: audit.directory, and database.file without a PostgreSQL.
FROM node:26-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/tmp/node-compile-cache
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json openapi.yaml LICENSE ./
COPY docs/licences.md docs/
# A number, since runAsNonRoot can't tell a name's; it is the image's user `node`.
USER 1000:1000
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["node", "dist/main.js", "health", "--config", "/etc/vaultspan/config.yaml"]
ENTRYPOINT ["node", "dist/main.js"]
CMD ["serve", "--config", "/etc/vaultspan/config.yaml"]
