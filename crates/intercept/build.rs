//! Compiles the eBPF programs with clang; a build without clang or the libbpf headers stops here
//! with the names of the packages, and there is no fallback object.

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const SOURCE: &str = "bpf/intercept.bpf.c";
const OBJECT: &str = "intercept.bpf.o";
const REMEDY: &str = "install the compiler and the headers: apt-get install clang libbpf-dev";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=bpf");
    println!("cargo::rerun-if-env-changed=CLANG");
    let object = PathBuf::from(env::var("OUT_DIR")?).join(OBJECT);
    let status = clang(&object)?.status().map_err(|error| {
        format!("clang, which compiles the eBPF programs, cannot be started ({error}); {REMEDY}")
    })?;
    if !status.success() {
        return Err(format!(
            "clang could not compile {SOURCE} ({status}); if it misses bpf/bpf_helpers.h or \
             linux/bpf.h, {REMEDY}"
        )
        .into());
    }
    Ok(())
}

fn clang(object: &Path) -> Result<Command, env::VarError> {
    let compiler = env::var_os("CLANG").unwrap_or_else(|| "clang".into());
    let target = match env::var("CARGO_CFG_TARGET_ENDIAN")?.as_str() {
        "big" => "bpfeb",
        _ => "bpfel",
    };
    let mut clang = Command::new(compiler);
    clang
        .args([
            "-target", target, "-O2", "-g", "-Wall", "-Werror", "-mcpu=v3",
        ])
        .args(["-idirafter", &multiarch_headers()?])
        .args(["-c", SOURCE, "-o"])
        .arg(object)
        .stdin(Stdio::null());
    // Without this the debug information, and so the object, would depend on where it was built.
    clang.arg(format!(
        "-fdebug-prefix-map={}=.",
        env::var("CARGO_MANIFEST_DIR")?
    ));
    Ok(clang)
}

/// Returns where Debian and Ubuntu keep `asm/types.h`; elsewhere the folder is simply not there.
fn multiarch_headers() -> Result<String, env::VarError> {
    Ok(format!(
        "/usr/include/{}-linux-gnu",
        env::var("CARGO_CFG_TARGET_ARCH")?
    ))
}
