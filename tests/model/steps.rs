//! What programs and people do to the file system, done to the plain tree as well. What the service cannot do must be
//! refused, and change nothing.

use collabfs::error::Result;
use collabfs::fs::RenameMode;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use crate::world::{Plain, World};

/// One thing a program or person does, on both sides. Answers what it was.
pub async fn step_once(world: &World, plain: &mut Plain, random: &mut StdRng) -> String {
    let content = format!("{:08x}", random.random::<u32>()).into_bytes();
    match random.random_range(0..12) {
        0 | 1 => create(world, plain, random, content).await,
        2 => append(world, plain, random, content).await,
        3 => save_by_temporary(world, plain, random, content).await,
        4 => save_by_backup(world, plain, random, content).await,
        5 => make_dir(world, plain, random).await,
        6 => remove(world, plain, random).await,
        7 | 8 => rename(world, plain, random).await,
        9 => exchange(world, plain, random).await,
        10 => save_by_double_rename(world, plain, random, content).await,
        _ => {
            let pause = random.random_range(0..60);
            tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
            format!("wait {pause} ms")
        }
    }
}

/// Whether it was done. A refusal that may be is none of our business; any other is a fault.
fn done(world: &World, what: &str, result: Result<()>) -> bool {
    match result {
        Ok(()) => true,
        Err(error) if world.may_refuse(error.kind()) => false,
        Err(error) => panic!("{what}: {error}"),
    }
}

fn any_name(world: &World, random: &mut StdRng) -> &'static str {
    match world.service.shape.case_sensitive {
        true => ["a", "b", "c.txt", "d.bak", "e~"].choose(random).unwrap(),
        false => ["a", "A", "b", "c.txt", "C.txt", "d.bak", "e~"].choose(random).unwrap(),
    }
}

fn any_dir(plain: &Plain, random: &mut StdRng) -> String {
    let mut dirs: Vec<&str> = plain.iter().filter(|(_, c)| c.is_none()).map(|(p, _)| p.as_str()).collect();
    dirs.push("");
    dirs.choose(random).unwrap().to_string()
}

fn any_file(plain: &Plain, random: &mut StdRng) -> Option<String> {
    let files: Vec<&String> = plain.iter().filter(|(_, c)| c.is_some()).map(|(p, _)| p).collect();
    files.choose(random).map(|p| p.to_string())
}

fn any_entry(plain: &Plain, random: &mut StdRng) -> Option<String> {
    let all: Vec<&String> = plain.iter().map(|(p, _)| p).collect();
    all.choose(random).map(|p| p.to_string())
}

fn join(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}

fn dir_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

async fn create(world: &World, plain: &mut Plain, random: &mut StdRng, content: Vec<u8>) -> String {
    let path = join(&any_dir(plain, random), any_name(world, random));
    if plain.is_dir(&path) {
        return format!("nothing: {path} is a directory");
    }
    if done(world, &format!("create {path}"), world.create(&path, &content).await) {
        plain.insert(&path, Some(content));
    }
    format!("write {path}")
}

async fn append(world: &World, plain: &mut Plain, random: &mut StdRng, content: Vec<u8>) -> String {
    let Some(path) = any_file(plain, random) else { return "nothing to append to".into() };
    if done(world, &format!("append {path}"), world.append(&path, &content).await) {
        let appended = [plain.content(&path), content].concat();
        // Somebody else may have changed it since it was looked at.
        match if world.alone { Ok(appended) } else { world.read(&path).await } {
            Ok(content) => drop(plain.insert(&path, Some(content))),
            Err(_) => plain.remove(&path),
        }
    }
    format!("append to {path}")
}

/// What of a document must stay through a save; known only while nothing is on its way.
fn identity(world: &World, path: &str) -> Option<u64> {
    let quiet = world.alone && world.service.shape.revises_in_place && world.fs.changes("", 0, 1).is_empty();
    quiet.then(|| world.service.id_at(path)).flatten()
}

async fn save_by_temporary(world: &World, plain: &mut Plain, random: &mut StdRng, content: Vec<u8>) -> String {
    let Some(path) = any_file(plain, random) else { return "nothing to save".into() };
    let temporary = join(dir_of(&path), ["new-file", ".goutputstream-X1"].choose(random).unwrap());
    let before = identity(world, &path);
    if done(world, &format!("create {temporary}"), world.create(&temporary, &content).await) {
        plain.insert(&temporary, Some(content));
        let saved = world.rename(&temporary, &path, RenameMode::Replace).await;
        if temporary != path && done(world, &format!("save {path}"), saved) {
            plain.relocate(&temporary, &path);
        }
    }
    assert!(before.is_none() || world.service.id_at(&path) == before, "{path} got another id");
    format!("save {path} over {temporary}")
}

async fn save_by_backup(world: &World, plain: &mut Plain, random: &mut StdRng, content: Vec<u8>) -> String {
    let Some(path) = any_file(plain, random) else { return "nothing to save".into() };
    if path.ends_with('~') {
        return "nothing: a backup of a backup".into();
    }
    let backup = format!("{path}{}", ["~", ".bak"].choose(random).unwrap());
    if plain.is_dir(&backup) {
        return "nothing: the backup's name is a directory's".into();
    }
    let what = format!("save {path} with backup {backup}");
    if !done(world, &what, world.rename(&path, &backup, RenameMode::Replace).await) {
        return format!("{what} refused");
    }
    plain.relocate(&path, &backup);
    if done(world, &what, world.create(&path, &content).await) {
        plain.insert(&path, Some(content));
    }
    if random.random() && done(world, &what, world.unlink(&backup).await) {
        plain.remove(&backup);
    }
    what
}

/// As office suites do: new to temporary, old to backup, temporary to name, backup away.
async fn save_by_double_rename(world: &World, plain: &mut Plain, random: &mut StdRng, content: Vec<u8>) -> String {
    let Some(path) = any_file(plain, random) else { return "nothing to save".into() };
    let (temporary, backup) = (format!("{path}.new"), format!("{path}.old"));
    if path.ends_with('~') || plain.contains(&backup) || plain.contains(&temporary) {
        return "nothing: names are taken".into();
    }
    let what = format!("save {path} by double rename");
    if !done(world, &what, world.create(&temporary, &content).await) {
        return format!("{what} refused");
    }
    plain.insert(&temporary, Some(content));
    for (from, to) in [(&path, &backup), (&temporary, &path)] {
        if !done(world, &what, world.rename(from, to, RenameMode::Replace).await) {
            return format!("{what} refused");
        }
        plain.relocate(from, to);
    }
    if done(world, &what, world.unlink(&backup).await) {
        plain.remove(&backup);
    }
    what
}

async fn make_dir(world: &World, plain: &mut Plain, random: &mut StdRng) -> String {
    let dir = any_dir(plain, random);
    let path = join(&dir, ["x", "y"].choose(random).unwrap());
    if plain.contains(&path) || path.matches('/').count() > 2 {
        return "nothing: no new directory".into();
    }
    if done(world, &format!("mkdir {path}"), world.make_dir(&path).await) {
        plain.insert(&path, None);
    }
    format!("mkdir {path}")
}

async fn remove(world: &World, plain: &mut Plain, random: &mut StdRng) -> String {
    let Some(path) = any_entry(plain, random) else { return "nothing to remove".into() };
    let what = format!("remove {path}");
    let removed = if !plain.is_dir(&path) {
        world.unlink(&path).await
    } else if plain.has_children(&path) {
        let removed = world.remove_dir(&path).await;
        assert!(removed.is_err() || !world.alone, "a full directory was removed");
        return format!("rmdir {path} refused");
    } else {
        world.remove_dir(&path).await
    };
    if done(world, &what, removed) {
        plain.remove(&path);
    }
    what
}

async fn rename(world: &World, plain: &mut Plain, random: &mut StdRng) -> String {
    let Some(from) = any_entry(plain, random) else { return "nothing to rename".into() };
    let directory = plain.is_dir(&from);
    let name = if directory { ["x", "y", "z"].choose(random).unwrap() } else { any_name(world, random) };
    let to = join(&any_dir(plain, random), name);
    let into_itself = to == from || to.starts_with(&format!("{from}/"));
    let other_kind = plain.contains(&to) && plain.is_dir(&to) != directory;
    if into_itself || other_kind || (plain.is_dir(&to) && plain.has_children(&to)) {
        return format!("nothing: {from} cannot become {to}");
    }
    let what = format!("rename {from} to {to}");
    if done(world, &what, world.rename(&from, &to, RenameMode::Replace).await) {
        plain.relocate(&from, &to);
    }
    what
}

async fn exchange(world: &World, plain: &mut Plain, random: &mut StdRng) -> String {
    let (Some(a), Some(b)) = (any_file(plain, random), any_file(plain, random)) else { return "nothing".into() };
    if a == b {
        return "nothing to exchange".into();
    }
    let what = format!("exchange {a} and {b}");
    if done(world, &what, world.rename(&a, &b, RenameMode::Exchange).await) {
        let (of_a, of_b) = (plain.content(&a), plain.content(&b));
        plain.insert(&a, Some(of_b));
        plain.insert(&b, Some(of_a));
    }
    what
}
