//! What is under way, and goes on while nobody waits for it. It ends when this is dropped.

use std::panic::resume_unwind;

use tokio::task::{JoinError, JoinSet};

#[derive(Debug)]
pub(super) struct Jobs<T>(JoinSet<T>);

impl<T> Default for Jobs<T> {
    fn default() -> Self {
        Self(JoinSet::new())
    }
}

impl<T: Send + 'static> Jobs<T> {
    /// Needs a tokio runtime.
    pub(super) fn begin(&mut self, job: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(job);
    }

    /// What the next one to end has come to; `None` while nothing is under way. Panics as the job did.
    pub(super) async fn next(&mut self) -> Option<T> {
        loop {
            let ended = self.0.join_next().await?;
            match ended.map_err(JoinError::try_into_panic) {
                Ok(done) => return Some(done),
                Err(Ok(panic)) => resume_unwind(panic),
                // The runtime ends.
                Err(Err(_)) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn a_job_gives_back_what_it_holds_while_nobody_waits_for_it() {
        let calls = Arc::new(Semaphore::new(1));
        let mut jobs = Jobs::default();
        for job in 0..3 {
            let calls = Arc::clone(&calls);
            jobs.begin(async move {
                let call = calls.acquire().await;
                tokio::task::yield_now().await;
                drop(call);
                job
            });
        }
        assert_eq!(jobs.next().await, Some(0));
        // As a lease does, behind those that wait already.
        let lease = calls.acquire().await.unwrap();
        drop(lease);
        assert_eq!((jobs.next().await, jobs.next().await), (Some(1), Some(2)));
        assert_eq!(jobs.next().await, None);
    }

    #[tokio::test]
    #[should_panic(expected = "a fault of its own")]
    async fn a_fault_of_a_job_is_one_of_whoever_waits_for_it() {
        let mut jobs: Jobs<()> = Jobs::default();
        jobs.begin(async { panic!("a fault of its own") });
        jobs.next().await;
    }

    #[tokio::test]
    async fn a_job_ends_with_those_it_belongs_to() {
        let (gone, told) = tokio::sync::oneshot::channel::<()>();
        let mut jobs: Jobs<()> = Jobs::default();
        jobs.begin(async move {
            std::future::pending::<()>().await;
            drop(gone);
        });
        drop(jobs);
        assert!(told.await.is_err());
    }
}
