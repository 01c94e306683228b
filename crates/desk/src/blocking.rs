//! The one way from the asynchronous rim to the synchronous core.

use std::sync::Arc;

use crate::{App, Desk, DeskError};

/// Does something that blocks, away from the threads that serve. It goes on when whoever asked has gone: what was begun
/// is not left half done.
pub(crate) async fn blocking<T: Send + 'static>(
    app: &App,
    job: impl FnOnce(&Desk) -> Result<T, DeskError> + Send + 'static,
) -> Result<T, DeskError> {
    let desk = Arc::clone(&app.desk);
    // A job that panicked has said so on its own; nothing of it is handed out.
    tokio::task::spawn_blocking(move || job(&desk)).await.map_err(|_| DeskError::Broken)?
}

/// The same for what compares or keeps a password: few of them at a time.
pub(crate) async fn blocking_with_password<T: Send + 'static>(
    app: &App,
    job: impl FnOnce(&Desk) -> Result<T, DeskError> + Send + 'static,
) -> Result<T, DeskError> {
    let permit = Arc::clone(&app.passwords).acquire_owned().await.map_err(|_| DeskError::Broken)?;
    // The job keeps its place also when whoever asked has gone.
    blocking(app, move |desk| {
        let _permit = permit;
        job(desk)
    })
    .await
}
