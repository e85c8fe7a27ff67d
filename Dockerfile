# The relay in a small image: built in one stage, run in another, as a user without rights.

FROM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY src ./src
COPY scripts ./scripts
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim
WORKDIR /opt/waypost
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY scripts/waypost.js ./scripts/waypost.js
COPY policies /etc/waypost/policies
COPY queues /etc/waypost/queues
RUN ln -s /opt/waypost/scripts/waypost.js /usr/local/bin/waypost \
  && install -d -o node -g node -m 0700 /var/lib/waypost
ENV WAYPOST_CONFIG=/etc/waypost WAYPOST_DATA=/var/lib/waypost
USER node
VOLUME /var/lib/waypost
EXPOSE 2525 8025
STOPSIGNAL SIGTERM
CMD ["waypost", "start"]
