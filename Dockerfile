# An image of the service and its page; docs/deployment.md says how.

FROM node:22-slim AS page
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim AS build
WORKDIR /build
COPY constraints.txt LICENSE README.md pyproject.toml hatch_build.py ./
COPY samples samples
COPY recipes recipes
COPY src src
COPY --from=page /build/node_modules node_modules
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && python -m venv --without-pip /opt/sottovoce \
    && wheel="$(echo dist/*.whl)" \
    && python -m pip --python /opt/sottovoce/bin/python install --no-cache-dir \
       --constraint constraints.txt "${wheel}[media,postgresql,serve]"

FROM python:3.11-slim
RUN python -m pip uninstall --yes pip setuptools wheel \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin sottovoce \
    && install --directory --owner sottovoce --group sottovoce /data
COPY --from=build /opt/sottovoce /opt/sottovoce
WORKDIR /srv/sottovoce
COPY LICENSE docker/healthy.py ./
COPY models models
# Files are written to /data and /tmp alone; BLAS keeps to the thread it is called from.
ENV PATH=/opt/sottovoce/bin:$PATH \
    HOME=/tmp \
    OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 \
    SOTTOVOCE_MODELS=/srv/sottovoce/models
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "/srv/sottovoce/healthy.py"]
ENTRYPOINT ["sottovoce"]
CMD ["serve", "--host", "0.0.0.0"]
