# The loops of development; `just` alone lists them.

_default:
    @just --list

# Format, lints and unit tests: under two minutes once everything is built.
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --quiet -- -D warnings
    cargo test --workspace --lib --bins --quiet

# Everything that must hold before a change lands.
ci:
    .ci/run

# Every fuzz target for so many seconds. Needs `scripts/setup --tools`.
fuzz seconds="30":
    scripts/fuzz {{seconds}}
