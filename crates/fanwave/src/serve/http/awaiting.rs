//! The viewers' requests of one connection that wait, by what they wait for.
//!
//! An edge has a hundred requests on a connection that wait for the same part, and a player two. Who waits is no future of its own: one
//! for each thing that is waited for tells the connection that it has changed, and then all of them are looked at, in one turn.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{sync::watch, time::Instant};

use super::lane::Asked;

/// Things for which the connection is told of changes though nobody waits for them now; a player has two that it comes back to.
const KEPT: usize = 8;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waits<R, T> {
    pub(super) asked: R,
    /// What its answer belongs to.
    pub(super) of: T,
}

/// See the module.
pub(super) struct Awaiting<R: Asked, T> {
    groups: Vec<Group<R, T>>,
}

struct Group<R: Asked, T> {
    awaited: R::Awaited,
    /// Whenever somebody waits, it knows whom to wake.
    changed: Changed,
    waiting: Vec<Waits<R, T>>,
}

/// Ready when it has changed, with what tells of the next time; none where there is no next time.
type Changed = Pin<Box<dyn Future<Output = Option<watch::Receiver<Instant>>> + Send>>;

fn next(mut changes: watch::Receiver<Instant>) -> Changed {
    Box::pin(async move {
        changes.changed().await.ok()?;
        Some(changes)
    })
}

/// What has become of what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    None,
    Changed,
    /// There is nothing to be told any more.
    Over,
}

/// Has the connection woken with the next change; says whether there has been one until now.
fn listen(changed: &mut Changed, context: &mut Context<'_>) -> News {
    let mut news = News::None;
    while let Poll::Ready(changes) = changed.as_mut().poll(context) {
        match changes {
            Some(changes) => *changed = next(changes),
            None => return News::Over,
        }
        news = News::Changed;
    }
    news
}

impl<R: Asked, T> Awaiting<R, T> {
    pub(super) fn new() -> Self {
        Self { groups: Vec::new() }
    }

    /// Takes a request that has just been told to wait. It is given back where it has to look once more, since something may have
    /// changed that nobody was told of.
    pub(super) fn add(
        &mut self,
        waits: Waits<R, T>,
        context: &mut Context<'_>,
    ) -> Option<Waits<R, T>> {
        let awaited = waits.asked.awaited();
        let place = self
            .groups
            .iter()
            .position(|group| group.awaited == awaited);
        let Some(place) = place else {
            if self.groups.len() >= KEPT {
                self.groups.retain(|group| !group.waiting.is_empty());
            }
            // Without, it is over, and is told so when it looks.
            let mut changed = next(waits.asked.changes()?);
            if listen(&mut changed, context) != News::Over {
                let waiting = Vec::new();
                self.groups.push(Group {
                    awaited,
                    changed,
                    waiting,
                });
            }
            return Some(waits);
        };
        let group = &mut self.groups[place];
        if group.waiting.is_empty() {
            match listen(&mut group.changed, context) {
                News::None => {}
                News::Changed => return Some(waits),
                News::Over => {
                    self.groups.swap_remove(place);
                    return Some(waits);
                }
            }
        }
        group.waiting.push(waits);
        None
    }

    /// Those who have to look, because what they wait for has changed.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Vec<Waits<R, T>> {
        let mut woken = Vec::new();
        self.groups.retain_mut(|group| {
            if group.waiting.is_empty() {
                return true;
            }
            let news = listen(&mut group.changed, context);
            if news != News::None {
                woken.append(&mut group.waiting);
            }
            news != News::Over
        });
        woken
    }

    /// Nobody wants these answers any more.
    pub(super) fn forget(&mut self, is_unwanted: impl Fn(&T) -> bool) {
        for group in &mut self.groups {
            group.waiting.retain(|waits| !is_unwanted(&waits.of));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::{Wake, Waker},
    };

    use fanwave_origin::{Answered, Look, Woken};

    use super::*;

    /// Asks for something of this name.
    #[derive(Debug)]
    struct File(usize, Option<watch::Receiver<Instant>>);

    impl Asked for File {
        type Awaited = usize;

        async fn answer(self) -> (Answered, Option<Woken>) {
            unreachable!("nobody asks for it here")
        }

        fn look(&mut self) -> Look {
            unreachable!("nobody looks here")
        }

        fn awaited(&self) -> usize {
            self.0
        }

        fn changes(&self) -> Option<watch::Receiver<Instant>> {
            self.1.clone()
        }
    }

    #[derive(Debug, Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn waits(of: u32, name: usize, changes: &watch::Sender<Instant>) -> Waits<File, u32> {
        let asked = File(name, Some(changes.subscribe()));
        Waits { asked, of }
    }

    fn whose(woken: &[Waits<File, u32>]) -> Vec<u32> {
        woken.iter().map(|waits| waits.of).collect()
    }

    #[test]
    fn all_who_wait_for_the_same_are_woken_by_one_change_and_nobody_else() {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        let context = &mut Context::from_waker(&waker);
        let (one, other) = (
            watch::Sender::new(Instant::now()),
            watch::Sender::new(Instant::now()),
        );
        let mut awaiting = Awaiting::new();
        // The first has to look once more: nobody was told of what came before.
        let first = awaiting.add(waits(1, 1, &one), context).unwrap();
        assert!(awaiting.add(first, context).is_none());
        for of in [3, 5, 7] {
            assert!(awaiting.add(waits(of, 1, &one), context).is_none());
        }
        let elsewhere = awaiting.add(waits(9, 2, &other), context).unwrap();
        assert!(awaiting.add(elsewhere, context).is_none());
        assert!(awaiting.poll(context).is_empty());
        awaiting.forget(|of| *of == 5);
        one.send_replace(Instant::now());
        assert_eq!(bell.0.load(Ordering::Relaxed), 1);
        assert_eq!(whose(&awaiting.poll(context)), [1, 3, 7]);
        assert!(awaiting.poll(context).is_empty());
        other.send_replace(Instant::now());
        assert_eq!(whose(&awaiting.poll(context)), [9]);
    }

    #[test]
    fn what_changes_while_nobody_waits_is_looked_at_by_the_next_who_does() {
        let context = &mut Context::from_waker(Waker::noop());
        let changes = watch::Sender::new(Instant::now());
        let mut awaiting = Awaiting::new();
        for _ in 0..2 {
            changes.send_replace(Instant::now());
            let again = awaiting.add(waits(1, 1, &changes), context).unwrap();
            assert!(awaiting.add(again, context).is_none());
            changes.send_replace(Instant::now());
            changes.send_replace(Instant::now());
            assert_eq!(whose(&awaiting.poll(context)), [1]);
        }
    }

    #[test]
    fn where_a_stream_ends_all_look_and_nothing_of_it_is_kept() {
        let context = &mut Context::from_waker(Waker::noop());
        let changes = watch::Sender::new(Instant::now());
        let mut awaiting = Awaiting::new();
        let again = awaiting.add(waits(1, 1, &changes), context).unwrap();
        assert!(awaiting.add(again, context).is_none());
        let late = waits(3, 1, &changes);
        drop(changes);
        assert_eq!(whose(&awaiting.poll(context)), [1]);
        assert!(awaiting.groups.is_empty());
        assert!(awaiting.add(late, context).is_some());
        assert!(awaiting.groups.is_empty());
    }

    #[test]
    fn what_nobody_waits_for_any_more_is_forgotten_by_and_by() {
        let context = &mut Context::from_waker(Waker::noop());
        let changes = watch::Sender::new(Instant::now());
        let mut awaiting = Awaiting::new();
        for name in 0..10 * KEPT {
            assert!(awaiting.add(waits(1, name, &changes), context).is_some());
            assert!(awaiting.groups.len() <= KEPT);
        }
    }
}
