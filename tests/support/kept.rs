//! A world and folders put aside, to be taken up any number of times.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use privlink::sim::saved::Saved;
use privlink::sim::world::World;
use privlink::sim::{Options, Simulator};
use serde_json::Value;

/// The state of a simulator.
pub(crate) struct KeptWorld {
    began_as: String,
    saved: Saved,
}

impl KeptWorld {
    /// Puts aside what is there.
    pub(crate) fn of(simulator: &Simulator, began_as: &str) -> Self {
        Self { began_as: began_as.to_owned(), saved: at_any_port(&simulator.save(began_as)) }
    }

    /// A simulator that goes on from there, on other ports.
    pub(crate) async fn simulator(&self) -> Simulator {
        let world = World::parse(&self.began_as).unwrap();
        Simulator::resume(&world, Options::default(), &self.saved).await.unwrap()
    }
}

/// The files of a folder.
pub(crate) struct KeptFolder(BTreeMap<PathBuf, Vec<u8>>);

impl KeptFolder {
    /// Puts aside what is there.
    pub(crate) fn of(folder: &Path) -> Self {
        Self(files(folder))
    }

    /// Gives a folder the files that were put aside, and no others.
    pub(crate) fn write_to(&self, folder: &Path) {
        let _ = std::fs::remove_dir_all(folder);
        std::fs::create_dir_all(folder).unwrap();
        for (name, bytes) in &self.0 {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}

/// A bare repository.
pub(crate) struct KeptRepository(KeptFolder);

impl KeptRepository {
    /// Puts aside what is there.
    pub(crate) fn of(path: &Path) -> Self {
        Self(KeptFolder::of(path))
    }

    /// Puts a repository back. Git knows one by folders that may be empty.
    pub(crate) fn write_to(&self, path: &Path) {
        self.0.write_to(path);
        for folder in ["refs/heads", "objects"] {
            std::fs::create_dir_all(path.join(folder)).unwrap();
        }
    }
}

/// The same world, which takes the ports that are free when it is taken up.
fn at_any_port(saved: &Saved) -> Saved {
    let mut document: Value = serde_json::from_str(&saved.text()).unwrap();
    document["ports"] = serde_json::json!({"http": 0, "https": 0});
    for cluster in document["clusters"].as_object_mut().unwrap().values_mut() {
        cluster["port"] = 0.into();
    }
    Saved::parse(&document.to_string()).unwrap()
}

/// The files of a folder and its folders, by their path in it.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}
