#!/usr/bin/env bash
# Makes .venv and everything ssbray needs in it. Idempotent: when nothing changed it does nothing.
# Used by the Makefile, by cluster.yaml and by anyone who wants an environment.
#
#   PYTHON=python3.12 jobs/setup.sh     another interpreter (>= 3.11)
#   SSBRAY_EXTRAS=test,bench ...        extras to install (default: test; empty: none)
#   SSBRAY_PETSC=pypi ...               ignore a system PETSc and build one (about 15 minutes)
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
extras=${SSBRAY_EXTRAS-test}
venv=${SSBRAY_VENV:-.venv}
petsc_choice=${SSBRAY_PETSC:-system}
say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

stamp="$venv/.ssbray-setup"
fingerprint=$(cat pyproject.toml jobs/constraints.txt jobs/setup.sh \
  | { cat; echo "$extras $petsc_choice $("$python" -V 2>&1)"; } | sha256sum | cut -d' ' -f1)
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ] && [ -x "$venv/bin/ssbray" ]; then
  exit 0
fi

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
  || die "$("$python" -V 2>&1) is too old: ssbray needs Python 3.11 or newer; set PYTHON=python3.11"

# --- PETSc: one that is installed, else Debian's package where we may install it, else from PyPI -----
petsc_version() { pkg-config --modversion PETSc 2>/dev/null || pkg-config --modversion petsc 2>/dev/null; }
if [ "$petsc_choice" = system ] && ! petsc_version >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "installing libpetsc-real-dev (PETSc with hypre, MUMPS and CHOLMOD)"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      libpetsc-real-dev pkg-config gcc g++ >/dev/null
  else
    say "no system PETSc (pkg-config knows none) and not root on Debian or Ubuntu:"
    say "building PETSc from PyPI takes about 15 minutes; to avoid it: sudo apt-get install libpetsc-real-dev"
    petsc_choice=pypi
  fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip --disable-pip-version-check -q "$@"; }
# Build tools first: petsc4py 3.18 does not build with Cython 3, and must see the numpy it will run with.
grep -E '^(numpy|setuptools|wheel)==' jobs/constraints.txt > "$venv/.build-requirements"
pip install -r "$venv/.build-requirements" 'cython<3'

if [ "$petsc_choice" = system ]; then
  version=$(petsc_version)
  petsc_dir=$(pkg-config --variable=prefix PETSc 2>/dev/null || pkg-config --variable=prefix petsc)
  [ -d /usr/lib/petsc ] && case "$petsc_dir" in /usr/lib/petsc*) petsc_dir=/usr/lib/petsc ;; esac
  if [ "$("$venv/bin/python" -c 'import petsc4py; print(petsc4py.__version__)' 2>/dev/null)" != "$version" ]; then
    say "building petsc4py $version against $petsc_dir (about a minute)"
    PETSC_DIR="$petsc_dir" CFLAGS='-O1 -g0' pip install --no-build-isolation --no-cache-dir "petsc4py==$version" \
      || die "petsc4py $version did not build against $petsc_dir: install a C compiler and the headers of that PETSc, or run with SSBRAY_PETSC=pypi"
  fi
else
  "$venv/bin/python" -c 'import petsc4py' 2>/dev/null || {
    for tool in gcc g++ make; do
      command -v "$tool" >/dev/null || die "$tool is missing; a PETSc build needs gcc, g++, make, BLAS/LAPACK and SuiteSparse headers (Debian: build-essential libopenblas-dev libsuitesparse-dev)"
    done
    say "building PETSc and petsc4py from PyPI (about 15 minutes)"
    PETSC_CONFIGURE_OPTIONS='--with-mpi=0 --with-fc=0 --with-suitesparse=1' \
      pip install 'petsc>=3.20' 'petsc4py>=3.20' \
      || die "PETSc did not build: it needs BLAS/LAPACK and SuiteSparse headers (Debian: libopenblas-dev libsuitesparse-dev), or a system PETSc (Debian: libpetsc-real-dev)"
  }
fi

say "installing ssbray${extras:+[$extras]} and its pinned dependencies"
pip install -c jobs/constraints.txt -e ".${extras:+[$extras]}"
"$venv/bin/python" -c 'import petsc4py.PETSc, torch, pyro, ray, mlflow, skfem' \
  || die "an installed package does not import (see above); remove $venv and run this again"
printf '%s' "$fingerprint" > "$stamp"
say "done: $venv"
