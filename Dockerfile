# docker build -t REGISTRY/ingress-authz .
# The final image holds no shell and no package manager: only what image/build.py put into /image.
FROM python:3.13-slim-trixie AS build
WORKDIR /source
COPY requirements.lock pyproject.toml LICENSE ./
COPY image/build.py image/
COPY authz authz
RUN ["python", "image/build.py", "/image"]

FROM scratch
COPY --from=build /image /
USER 65532:65532
WORKDIR /tmp
ENTRYPOINT ["/usr/bin/authz"]
