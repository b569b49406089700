# One image for each chapter: docker build --build-arg PACKAGE=ch02-first-proxy .
FROM rust:1-bookworm AS build
WORKDIR /course
COPY . .
# All programs at once, so the next chapter finds its own already built. The caches outlive the image: a changed line
# compiles one crate. They are not part of a layer, hence the copy to /programs.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/course/target,sharing=locked \
    cargo build --release --locked --package upstreams --bin upstreams --package 'ch[0-9]*' --bin 'ch[0-9]*' \
    && mkdir /programs \
    && find target/release -maxdepth 1 -type f -perm -u+x -exec cp {} /programs/ ';'

FROM debian:bookworm-slim
ARG PACKAGE
COPY --from=build /programs/upstreams /usr/local/bin/upstreams
COPY --from=build /programs/${PACKAGE} /usr/local/bin/app
# Nobody in particular: a number needs no entry in /etc/passwd, and Kubernetes can tell that it is not root.
USER 65532:65532
STOPSIGNAL SIGTERM
# Asked through the proxy: a page of its own, which tells a sick proxy from a sick upstream, is exercise 2.2.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["upstreams", "--healthcheck", "127.0.0.1:6188/"]
# The program is process 1 and gets the signal itself; a shell in between would not pass it on.
ENTRYPOINT ["app"]
