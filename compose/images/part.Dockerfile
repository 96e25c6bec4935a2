# A part that is Debian's packages and nothing of ours.
FROM debian:trixie-slim
ARG PACKAGES
ARG ACCOUNT
ARG FOLDERS=""
# The account gets its number before Debian's package would choose one: files on the host name it.
# Debian makes no cluster of Postgres; nginx's logs are the container's.
RUN useradd --system --uid 900 --user-group --no-create-home --home-dir /nonexistent "$ACCOUNT" \
    && mkdir -p /etc/postgresql-common /var/log/nginx \
    && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
    && apt-get update -q \
    && apt-get install -q -y --no-install-recommends curl $PACKAGES \
    && rm -rf /var/lib/apt/lists/* \
    && for log in api upload download; do ln -sf /dev/stdout "/var/log/nginx/nginx-$log.log"; done \
    && ln -sf /dev/stderr /var/log/nginx/nginx-error.log \
    && for folder in $FOLDERS; do install -d -o "$ACCOUNT" -g "$ACCOUNT" -m 700 "$folder"; done
USER $ACCOUNT
