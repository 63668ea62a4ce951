//! Measures what 1 MiB at the beginning and at the end of a layer of 2 GiB costs.
//!
//! Usage: `cargo run --release -p strake-image --example range`. It makes two stores in the temporary directory and leaves
//! nothing behind; the files are in the page cache. Results: bench/README.md.

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use strake_image::recipe::{Owner, Recipe, StorePaths};
use strake_image::sink::DescriptorSink;
use strake_image::{Store, Survey};
use strake_plan::StoreDir;

const SIZE: u64 = 2 << 30;
const RANGE: u64 = 1 << 20;
const RUNS: usize = 21;
const STORE_PATH: &str = "/nix/store/00000000000000000000000000000000-path";

/// The maximum by which the end may take longer than the beginning.
const ALLOWED: Duration = Duration::from_millis(20);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    measure("one file", &|path| fs::write(path, vec![1; SIZE as usize]))?;
    measure("40,000 files in 400 directories", &|path| files(path, 400, 100))?;
    measure("40,000 files in one directory", &|path| files(path, 1, 40_000))
}

/// This number of directories with this number of files each, 2 GiB together.
fn files(path: &Path, directories: u64, files: u64) -> std::io::Result<()> {
    let content = vec![1; (SIZE / directories / files) as usize];
    for directory in 0..directories {
        let below = path.join(format!("lib/{directory:03}"));
        fs::create_dir_all(&below)?;
        for file in 0..files {
            fs::write(below.join(format!("module-{file:05}.py")), &content)?;
        }
    }
    Ok(())
}

/// Makes a layer and prints what its ranges take.
fn measure(
    name: &str,
    make: &dyn Fn(&Path) -> std::io::Result<()>,
) -> Result<(), Box<dyn std::error::Error>> {
    let root = tempfile::tempdir()?;
    let path = root.path().join(&STORE_PATH[1..]);
    fs::create_dir_all(path.parent().expect("it is in a directory"))?;
    make(&path)?;
    let dir = StoreDir::parse("/nix/store")?;
    let recipe = Recipe::StorePaths(StorePaths {
        paths: vec![dir.store_path(STORE_PATH)?],
        store: Arc::new(Store::new(dir, root.path())),
        nar_hashes: Vec::new(),
        owner: Owner { uid: 0, gid: 0, uname: "root".into(), gname: "root".into() },
        mtime: 1,
    });
    let began = Instant::now();
    let survey = recipe.survey()?;
    let surveyed = began.elapsed();
    // In turn, so that both see the same machine.
    let (mut beginning, mut end) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        beginning.push(time(&recipe, &survey, 0)?);
        end.push(time(&recipe, &survey, survey.size - RANGE)?);
    }
    let [beginning, end] = [beginning, end].map(median);
    println!("{name}: 1 MiB at the beginning {beginning:.2?}, at the end {end:.2?} (survey {surveyed:.2?})");
    if end > beginning + ALLOWED {
        return Err(format!("the end takes more than {ALLOWED:?} longer").into());
    }
    Ok(())
}

/// How long a range takes that goes to a file.
fn time(recipe: &Recipe, survey: &Survey, start: u64) -> Result<Duration, Box<dyn std::error::Error>> {
    let progress = AtomicU64::new(0);
    let target = OwnedFd::from(tempfile::tempfile()?);
    let began = Instant::now();
    let mut sink = DescriptorSink::new(target, &progress);
    recipe.write_range(survey, start..start + RANGE, &mut sink)?;
    sink.finish()?;
    let took = began.elapsed();
    assert_eq!(progress.into_inner(), RANGE);
    Ok(took)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
