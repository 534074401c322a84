//! How `libftx.so` is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if matches!(os.as_str(), "linux" | "android" | "freebsd") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libftx.so.1");
        // Its threads outlive a `dlclose`, and would run in pages that are gone.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
