//! A process that is killed at any moment leaves each file old or new.

use super::*;

const FILES: usize = 30;

/// What a run has done so far.
struct Seen {
    temporary: usize,
    new: usize,
}

fn seen(world: &World, after: &str) -> Seen {
    let mut seen = Seen { temporary: 0, new: 0 };
    for entry in fs::read_dir(world.machine.file("k")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with('.') {
            seen.temporary += 1;
        } else if fs::read_to_string(entry.path()).is_ok_and(|text| text == after) {
            seen.new += 1;
        }
    }
    seen
}

#[test]
fn a_killed_run_leaves_each_file_old_or_new_and_the_next_completes_it() {
    let world = World::new();
    let (before, after) = (deployment(&image("1.0")), deployment(&sealed("1.0")));
    let mut partial = 0;
    for round in 0..12_usize {
        for file in 0..FILES {
            world.write(&format!("k/{file}.yaml"), &before);
        }
        // Every other run dies while it prepares, and every other while it replaces.
        let (temporary, new) = if round % 2 == 0 { (1 + round * 5, 0) } else { (0, 1 + round * 2) };
        let mut command = world.machine.command(&World::arguments(&["-f", "k"]));
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while child.try_wait().unwrap().is_none() {
            let seen = seen(&world, &after);
            if (new > 0 && seen.new >= new) || (temporary > 0 && seen.temporary >= temporary) {
                child.kill().unwrap();
                break;
            }
        }
        child.wait().unwrap();
        let mut replaced = 0;
        for file in 0..FILES {
            let text = fs::read_to_string(world.machine.file(&format!("k/{file}.yaml"))).unwrap();
            assert!(text == before || text == after, "{text}");
            replaced += usize::from(text == after);
        }
        partial += usize::from(replaced < FILES);
        world.pin(&["-f", "k"]).done();
        let end = seen(&world, &after);
        assert_eq!((end.temporary, end.new), (0, FILES));
    }
    assert!(partial > 3, "only {partial} runs were killed before they were done");
}
