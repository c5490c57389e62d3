//! [`play`]: the story: what tagseal is for, and what it does when somebody attacks, step by step on a [`Stage`].
//!
//! Each step is a function in one of the chapters' files: it does what its commands say, by the same code, notes what
//! happened, and checks that it went as it should. Nothing is printed here: [`Event`]s tell.

mod attempt;
mod cast;
mod event;
mod keys;
mod normal;
mod registry;
mod server;

use futures::future::LocalBoxFuture;

use self::cast::Cast;
pub use self::event::{Check, Event, Label, Line, Step};
use super::stage::{Stage, StageError};

/// One step: it fails where something broke that the story rests on; what did not go as it should is a failed check.
type Act = for<'a> fn(&'a mut Cast<'_>, &'a mut Step) -> LocalBoxFuture<'a, Result<(), StageError>>;

struct Chapter {
    title: &'static str,
    acts: &'static [(&'static str, Act)],
}

const CHAPTERS: &[Chapter] = &[
    Chapter {
        title: "Signing, and what a cluster makes of it",
        acts: &[
            ("Each signer makes a key", |cast, step| Box::pin(normal::keys(cast, step))),
            ("The owner makes the repository, and says who signs", |cast, step| {
                Box::pin(normal::repository(cast, step))
            }),
            ("An image is pushed and signed, twice", |cast, step| Box::pin(normal::sign(cast, step))),
            ("A pod asks for a tag, and gets the signed digest", |cast, step| {
                Box::pin(normal::seal(cast, step))
            }),
            ("An image that nobody signed is refused", |cast, step| Box::pin(normal::unsigned(cast, step))),
            ("An image that only one of two signed is refused", |cast, step| {
                Box::pin(normal::missing(cast, step))
            }),
        ],
    },
    Chapter {
        title: "Mallory can push to the registry",
        acts: &[
            ("She overwrites the tag", |cast, step| Box::pin(registry::overwritten(cast, step))),
            ("She damages a layer of the signed image", |cast, step| Box::pin(registry::damaged(cast, step))),
        ],
    },
    Chapter {
        title: "Mallory owns the trust server",
        acts: &[
            ("She forges a signature", |cast, step| Box::pin(server::forged(cast, step))),
            ("She publishes under a root of her own", |cast, step| Box::pin(server::usurped(cast, step))),
            ("She rolls the server back to before a fix", |cast, step| {
                Box::pin(server::rolled_back(cast, step))
            }),
            ("She does so while the webhook restarts", |cast, step| Box::pin(server::restarted(cast, step))),
            ("She freezes the server, so that a fix is never seen", |cast, step| {
                Box::pin(server::frozen(cast, step))
            }),
        ],
    },
    Chapter {
        title: "Mallory steals a key",
        acts: &[
            ("Where two must sign, one stolen key gets her nowhere", |cast, step| {
                Box::pin(keys::one_of_two(cast, step))
            }),
            ("Where one signs, she gets through", |cast, step| Box::pin(keys::stolen(cast, step))),
            ("The key is replaced: what it signed is refused", |cast, step| {
                Box::pin(keys::rotated(cast, step))
            }),
            ("Alice signs with the new key, and takes back what was not hers", |cast, step| {
                Box::pin(keys::recovered(cast, step))
            }),
            ("The owner replaces the root key too", |cast, step| Box::pin(keys::root(cast, step))),
        ],
    },
];

const AGAIN: &[Chapter] = &[Chapter {
    title: "The story was told here before; everything is up again",
    acts: &[("A pod asks for a tag, and gets the signed digest", |cast, step| {
        Box::pin(normal::seal_again(cast, step))
    })],
}];

/// How many steps the story has on this stage.
pub fn steps(stage: &Stage) -> usize {
    chapters(stage).iter().map(|chapter| chapter.acts.len()).sum()
}

/// Plays the story, or, where it was played to its end before, shows that all is as it was. Whether every step went as it
/// should. A step that something broke under is the last one.
pub async fn play(stage: &Stage, tell: &mut dyn FnMut(Event)) -> bool {
    let mut cast = match Cast::new(stage) {
        Ok(cast) => cast,
        Err(error) => {
            tell(Event::Step(Step::broken(1, "The people get their folders", &error)));
            return false;
        }
    };
    let mut all_well = true;
    let mut number = 0;
    for chapter in chapters(stage) {
        tell(Event::Chapter(chapter.title));
        for (title, act) in chapter.acts {
            number += 1;
            tell(Event::Begins { number, title });
            let mut step = Step::new(number, title);
            let outcome = act(&mut cast, &mut step).await;
            if let Err(error) = &outcome {
                step.fail(error);
            }
            all_well &= step.is_well();
            tell(Event::Step(step));
            if outcome.is_err() {
                return false;
            }
        }
    }
    // A folder in which something went wrong is no good for another time.
    match cast.leave().and_then(|()| if all_well { stage.finish() } else { Ok(()) }) {
        Ok(()) => all_well,
        Err(error) => {
            tell(Event::Step(Step::broken(number + 1, "Everything is put right", &error)));
            false
        }
    }
}

fn chapters(stage: &Stage) -> &'static [Chapter] {
    if stage.is_resumed() { AGAIN } else { CHAPTERS }
}
