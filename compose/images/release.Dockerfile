# What is built from our own wheels. The context (made by `compose/trial`): wheels/ as `make release`
# makes it, store/ with SeaweedFS's wheel; each with its requirements.txt, which names the hashes.
# No instruction needs BuildKit.
FROM debian:trixie-slim AS bare
RUN useradd --system --uid 900 --user-group --no-create-home --home-dir /nonexistent stowbay \
    && apt-get update -q \
    && apt-get install -q -y --no-install-recommends ca-certificates curl libpq5 python3 \
    && rm -rf /var/lib/apt/lists/*

FROM bare AS installed
RUN apt-get update -q && apt-get install -q -y --no-install-recommends python3-venv
COPY wheels /wheels
COPY store /store
RUN python3 -m venv /opt/stowbay \
    && cd /wheels && sha256sum --check --strict --quiet SHA256SUMS \
    && PIP_CONFIG_FILE=/dev/null /opt/stowbay/bin/python -m pip install --quiet --no-cache-dir \
        --disable-pip-version-check --no-index --find-links . --require-hashes -r requirements.txt \
    && python3 -m venv /tmp/store \
    && cd /store && PIP_CONFIG_FILE=/dev/null /tmp/store/bin/python -m pip install --quiet \
        --no-cache-dir --disable-pip-version-check --no-index --find-links . --no-deps \
        --require-hashes -r requirements.txt

# Gateways, worker, and what fills the databases.
FROM bare AS release
COPY --from=installed /opt/stowbay /opt/stowbay
ENV PATH=/opt/stowbay/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1
USER stowbay

# The store. It has the release, too: bucket and users are made here, before anybody gets in.
FROM release AS store
USER root
COPY --from=installed /tmp/store/bin/weed /usr/local/bin/weed
RUN install -d -o stowbay -g stowbay -m 700 /srv/stowbay/drives /srv/stowbay/drives/d1 \
    && chown stowbay:stowbay /srv/stowbay && chmod 700 /srv/stowbay
USER stowbay

# What writes settings, certificates and secrets: the roles' templates are rendered by Ansible, and
# nginx is asked what it can.
FROM release AS setup
USER root
RUN apt-get update -q \
    && apt-get install -q -y --no-install-recommends ansible-core nginx libnginx-mod-http-js \
    && rm -rf /var/lib/apt/lists/*
