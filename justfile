# The loops of development; `just` alone lists them.

_default:
    @just --list

# Format, lints and unit tests: under two minutes once everything is built.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    cargo test --workspace --lib --quiet
    cargo test -p ftx-client --bins --quiet

# Everything that must hold before a change lands.
ci:
    .ci/run

# Licences, sources and duplicates of the dependencies, and unused ones. Needs `scripts/setup --tools`.
dependencies:
    PATH="$(scripts/setup --tools-path):$PATH" cargo deny check bans licenses sources
    PATH="$(scripts/setup --tools-path):$PATH" cargo machete --with-metadata

# Every fuzz target for so many seconds. Needs `scripts/setup --tools`.
fuzz seconds="30":
    scripts/fuzz {{seconds}}

# Benchmarks whose names contain `filter`; all without it.
bench filter="":
    cargo bench -p ftx-bench -- {{filter}}
