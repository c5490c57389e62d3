//! Files that cannot be written are named, and no other is.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tagseal::clock::SystemClock;
use tagseal::sandbox::server::NotaryServer;

use super::*;

/// What happens to files while a trust server answers.
type Happens = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

/// What happens to a file, and what is told of it.
type Case = (fn(&PathBuf), &'static str);

/// A world whose trust server does something before it answers, once it is told what.
fn world_in_which_files_change() -> (World, Happens) {
    let happens = Happens::default();
    let told = Arc::clone(&happens);
    let router = NotaryServer::new(None, Arc::new(SystemClock)).unwrap().router();
    let router = router.layer(axum::middleware::from_fn(move |request, next: axum::middleware::Next| {
        if let Some(happens) = &*told.lock().unwrap() {
            happens();
        }
        next.run(request)
    }));
    (World::on(&TrustServer::serve(router)), happens)
}

fn while_judged(happens: &Happens, path: PathBuf, what: fn(&PathBuf)) {
    *happens.lock().unwrap() = Some(Box::new(move || what(&path)));
}

#[test]
fn a_file_that_changes_while_images_are_judged_stops_all() {
    let (world, happens) = world_in_which_files_change();
    let cases: [Case; 3] = [
        (|path| fs::write(path, "changed: by somebody\n").unwrap(), "was changed by somebody else"),
        (
            |path| {
                let _ = fs::remove_file(path);
                let _ = fs::create_dir(path);
            },
            "is no regular file",
        ),
        (
            |path| {
                let _ = fs::remove_file(path);
            },
            "is not there any more",
        ),
    ];
    for (what, told) in cases {
        let _ = fs::remove_dir(world.machine.file("k/b.yaml"));
        world.write("k/a.yaml", &deployment(&image("1.0")));
        world.write("k/b.yaml", &deployment(&image("1.0")));
        while_judged(&happens, world.machine.file("k/b.yaml"), what);
        let errors = world.pin(&["-f", "k"]).failed(2);
        *happens.lock().unwrap() = None;
        assert!(errors.starts_with("k/b.yaml: ") && errors.contains(told), "{errors}");
        world.holds("k/a.yaml", &deployment(&image("1.0")));
        let left = fs::read_dir(world.machine.file("k")).unwrap();
        assert!(left.flatten().all(|entry| !entry.file_name().to_string_lossy().starts_with('.')));
    }
}

#[test]
fn read_only_files_and_folders_stop_all() {
    let world = World::new();
    for file in ["a.yaml", "b.yaml", "sub/c.yaml"] {
        world.write(&format!("k/{file}"), &deployment(&image("1.0")));
    }
    let mode = |file: &str, mode| {
        fs::set_permissions(world.machine.file(file), fs::Permissions::from_mode(mode)).unwrap()
    };
    mode("k/b.yaml", 0o444);
    mode("k/sub", 0o555);
    let told = world.pin(&["-f", "k"]).failed(2);
    mode("k/sub", 0o755);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("k/b.yaml: is read-only"), "{told}");
    assert!(lines[1].starts_with("k/sub/c.yaml: its folder ") && lines[1].contains("is read-only"), "{told}");
    assert_eq!(lines.len(), 2);
    for file in ["a.yaml", "b.yaml", "sub/c.yaml"] {
        world.holds(&format!("k/{file}"), &deployment(&image("1.0")));
    }
    // What does not change need not be writable.
    world.write("k/a.yaml", &deployment(&image("1.0")));
    fs::remove_file(world.machine.file("k/b.yaml")).unwrap();
    world.write("k/b.yaml", &deployment(&sealed("1.0")));
    mode("k/b.yaml", 0o444);
    world.pin(&["-f", "k"]).done();
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let world = World::new();
    let big = deployment(&image("1.0")) + &"# a comment of some length\n".repeat(2000);
    world.write("k/a.yaml", &deployment(&image("1.0")));
    world.write("k/b.yaml", &big);
    // As little as this may be written to a file: the second fails half-way, as on a disk that is full.
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let inner = world.machine.command(&World::arguments(&["-f", "k"]));
    let mut command = std::process::Command::new("sh");
    command.args(["-c", script]).arg(inner.get_program()).args(inner.get_args());
    command
        .env_clear()
        .env("HOME", world.machine.path())
        .current_dir(world.machine.path())
        .stdin(Stdio::null());
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.starts_with("k/b.yaml: cannot be written: "), "{told}");
    world.holds("k/a.yaml", &deployment(&image("1.0")));
    world.holds("k/b.yaml", &big);
    assert_eq!(fs::read_dir(world.machine.file("k")).unwrap().count(), 2);
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let world = World::new();
    world.write("a.yaml", &deployment(&image("1.0")));
    let on_full_disk = |more: &[&str]| {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = world.machine.command(&World::arguments(&[&["-f", "a.yaml"], more].concat()));
        let output = command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let why = "cannot write to standard output: No space left on device (os error 28)\n";
    assert_eq!(on_full_disk(&["-o", "json", "--dry-run"]), (Some(2), format!("tagseal: {why}")));
    world.holds("a.yaml", &deployment(&image("1.0")));
    let told = format!("tagseal: the files are written, and the report is not: {why}");
    assert_eq!(on_full_disk(&["-o", "json"]), (Some(2), told));
    world.holds("a.yaml", &deployment(&format!("{}@{}", image("1.0"), digest("1.0"))));
}
