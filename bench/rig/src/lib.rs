//! What the chat benchmark measures with, as far as it is logic: reading frames, finding messages in them, keeping the
//! books of who received what, and reading a server's costs from the kernel.
//!
//! The programs are `floor`, which sends bytes to sockets and nothing else, and `crowd`, which is up to 15,000 fans of any
//! of the servers compared. Nothing here belongs to the product.

pub mod backoff;
pub mod clock;
pub mod crowd;
pub mod frames;
pub mod histogram;
pub mod ledger;
pub mod marker;
pub mod process;
