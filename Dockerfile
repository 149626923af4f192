# One image for the service, which is the default, and the app; docs/deployment.md says how.

FROM python:3.11-slim AS build
WORKDIR /build
COPY constraints.txt LICENSE README.md pyproject.toml ./
COPY src src
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir dist . \
    && python -m venv --without-pip /opt/undertone \
    && wheel="$(echo dist/*.whl)" \
    && python -m pip --python /opt/undertone/bin/python install --no-cache-dir \
       --constraint constraints.txt "${wheel}[app,media,postgresql,serve]"

FROM python:3.11-slim
RUN python -m pip uninstall --yes pip setuptools wheel \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin undertone \
    && install --directory --owner undertone --group undertone /data
COPY --from=build /opt/undertone /opt/undertone
WORKDIR /srv/undertone
COPY LICENSE docker/healthy.py ./
COPY models models
# Files are written to /data and /tmp alone; BLAS keeps to the thread it is called from.
ENV PATH=/opt/undertone/bin:$PATH \
    HOME=/tmp \
    OMP_NUM_THREADS=1 \
    PYTHONUNBUFFERED=1 \
    UNDERTONE_MODELS=/srv/undertone/models
USER 10001:10001
EXPOSE 8000 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s \
    CMD ["python", "/srv/undertone/healthy.py"]
ENTRYPOINT ["undertone"]
CMD ["serve", "--host", "0.0.0.0"]
