# The relay in a small image: built in one stage, run in another, as a user without rights. What is
# copied from the first stage is JavaScript alone, so it builds on one platform for all.

FROM --platform=$BUILDPLATFORM node:24.21.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY policies ./policies
COPY queues ./queues
COPY src ./src
COPY scripts ./scripts
# Optional packages are native ones that speed up decoding, which the relay does not do. The build stops
# where users or keys stand in policies/: they would be everybody's who gets the image.
RUN npm run build && npm prune --omit=dev --omit=optional --ignore-scripts

FROM node:24.21.0-bookworm-slim
WORKDIR /opt/waypost
COPY --from=build /build/package.json ./
COPY --from=build /build/node_modules ./node_modules
COPY --from=build /build/dist ./dist
COPY scripts/waypost.js ./scripts/waypost.js
# No VOLUME: with Redis nothing is kept here, and every container would leave an empty one behind.
RUN ln -s /opt/waypost/scripts/waypost.js /usr/local/bin/waypost \
  && install -d -o node -g node -m 0700 /var/lib/waypost /etc/waypost
ENV WAYPOST_CONFIG=/etc/waypost WAYPOST_DATA=/var/lib/waypost
USER node
# A new volume begins as a copy of what the image has there; into any other folder `waypost init` writes it.
RUN waypost init
EXPOSE 2525 8025
STOPSIGNAL SIGTERM
CMD ["waypost", "start"]
