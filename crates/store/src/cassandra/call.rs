//! Asks the cluster: so many calls at once, each with an end.

use futures_util::{StreamExt, TryStreamExt, stream};
use scylla::{
    deserialize::row::DeserializeRow,
    response::{
        PagingState, PagingStateResponse, query_result::QueryResult, query_result::QueryRowsResult,
    },
    serialize::row::SerializeRow,
    statement::{
        batch::{Batch, BatchType},
        prepared::PreparedStatement,
    },
};
use tokio::{sync::SemaphorePermit, time::timeout};

use super::{
    Archive,
    fault::{fault, no_rows, odd, other_rows, unreadable},
};
use crate::{
    StoreError,
    limits::{CASSANDRA_WRITES_MAX, LOCK_WAIT_MAX},
};

impl Archive {
    async fn permit(&self) -> Result<SemaphorePermit<'_>, StoreError> {
        match timeout(LOCK_WAIT_MAX, self.0.calls.acquire()).await {
            Ok(permit) => permit.map_err(|_| StoreError::Closed),
            Err(_) => Err(StoreError::Busy),
        }
    }

    async fn call(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryResult, StoreError> {
        let _permit = self.permit().await?;
        let called = self.0.session.execute_unpaged(statement, values).await;
        called.map_err(fault)
    }

    /// Does something.
    pub(super) async fn act(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        self.call(statement, values).await.map(drop)
    }

    /// Does something unless its condition fails; whether it was done.
    pub(super) async fn act_if(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<bool, StoreError> {
        let answer = self.call(statement, values).await?;
        let rows = answer.into_rows_result().map_err(no_rows)?;
        // One column says so; what others there are depends on what is there.
        let names: Vec<&str> = rows.column_specs().iter().map(|spec| spec.name()).collect();
        let applied = names.iter().position(|name| *name == "[applied]");
        let row = rows.first_row::<scylla::value::Row>().map_err(unreadable)?;
        let cell = applied.and_then(|at| row.columns.get(at)?.as_ref()?.as_boolean());
        cell.ok_or_else(|| odd("it does not say whether it was done"))
    }

    /// Asks for rows, of which the statement has a limit.
    pub(super) async fn ask(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<QueryRowsResult, StoreError> {
        let answer = self.call(statement, values).await?;
        answer.into_rows_result().map_err(no_rows)
    }

    /// The same, as values of their own.
    pub(super) async fn ask_all<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> DeserializeRow<'r, 'r>,
    {
        let answer = self.ask(statement, values).await?;
        let rows = answer.rows::<R>().map_err(other_rows)?;
        rows.collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Asks for rows page by page.
    pub(super) fn pages<'a, V: SerializeRow>(
        &'a self,
        statement: &'a PreparedStatement,
        values: V,
    ) -> Pages<'a, V> {
        Pages {
            archive: self,
            statement,
            values,
            next: Some(PagingState::start()),
        }
    }

    /// All rows, of a statement that has few.
    pub(super) async fn all_pages<R>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<R>, StoreError>
    where
        R: for<'r> DeserializeRow<'r, 'r>,
    {
        let mut all = Vec::new();
        let mut pages = self.pages(statement, values);
        while let Some(page) = pages.next().await? {
            all.extend(page);
        }
        Ok(all)
    }

    /// Does all of these, some at once.
    pub(super) async fn all_of<F>(&self, writes: Vec<F>) -> Result<(), StoreError>
    where
        F: Future<Output = Result<(), StoreError>>,
    {
        stream::iter(writes)
            .buffer_unordered(CASSANDRA_WRITES_MAX)
            .try_collect()
            .await
    }

    /// Does the same with many rows of one partition, as one write.
    pub(super) async fn act_on_partition(
        &self,
        statement: &PreparedStatement,
        rows: &[impl SerializeRow],
    ) -> Result<(), StoreError> {
        let mut batch = Batch::new(BatchType::Unlogged);
        for _ in rows {
            batch.append_statement(statement.clone());
        }
        batch.set_is_idempotent(true);
        let _permit = self.permit().await?;
        let done = self.0.session.batch(&batch, rows).await;
        done.map(drop).map_err(fault)
    }
}

/// Rows that are asked for page by page.
pub(super) struct Pages<'a, V> {
    archive: &'a Archive,
    statement: &'a PreparedStatement,
    values: V,
    /// Where the next begins; `None` after the last.
    next: Option<PagingState>,
}

impl<V: SerializeRow> Pages<'_, V> {
    /// The next page; it may be empty, and yet not be the last.
    pub(super) async fn next<R>(&mut self) -> Result<Option<Vec<R>>, StoreError>
    where
        R: for<'r> DeserializeRow<'r, 'r>,
    {
        let Some(state) = self.next.take() else {
            return Ok(None);
        };
        let session = &self.archive.0.session;
        let (answer, next) = {
            let _permit = self.archive.permit().await?;
            let page = session.execute_single_page(self.statement, &self.values, state);
            page.await.map_err(fault)?
        };
        let answer = answer.into_rows_result().map_err(no_rows)?;
        let rows = answer.rows::<R>().map_err(other_rows)?;
        if let PagingStateResponse::HasMorePages { state } = next {
            self.next = Some(state);
        }
        rows.collect::<Result<_, _>>().map(Some).map_err(unreadable)
    }
}
