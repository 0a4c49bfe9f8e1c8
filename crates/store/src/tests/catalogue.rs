//! One suite, over each database.

use super::postgres::Schema;
use crate::catalogue::{
    Account, Added, ApiKey, Catalogue, CatalogueError, Change, Changed, Database, Digest, Entry,
    Identity, Invitation, KeyAdded, NewSession, StreamKey,
    database::Pools,
    limits::{API_KEYS_MAX, SESSIONS_MAX, STREAM_KEYS_MAX},
};

const NOW: i64 = 1_800_000_000_000;

fn account(id: &str, login: &str) -> Account {
    Account {
        id: id.into(),
        login: login.into(),
        name: "미나 '; DROP TABLE accounts; --".into(),
        password: Some("$argon2id$...".into()),
        role: "fan".into(),
        suspended: false,
        created_at: NOW,
        version: 1,
    }
}

pub(super) fn entry(id: &str) -> Entry {
    Entry {
        id: id.into(),
        at: NOW,
        actor: "a-boss".into(),
        action: "account.made".into(),
        subject: "a-1".into(),
        detail: "{}".into(),
    }
}

fn session(id: &str, account: &str, token: u8) -> NewSession {
    NewSession {
        id: id.into(),
        token: digest(token),
        account: account.into(),
        created_at: NOW,
        expires_at: NOW + 1_000,
    }
}

pub(super) fn digest(token: u8) -> Digest {
    [token; 32]
}

async fn accounts_are_added_once_and_changed_as_they_were_read(catalogue: &Catalogue) {
    let mina = account("a-1", "mina");
    assert_eq!(
        catalogue.add_account(&mina, &entry("e-1")).await.unwrap(),
        Added::New
    );
    let other = account("a-2", "mina");
    assert_eq!(
        catalogue.add_account(&other, &entry("e-2")).await.unwrap(),
        Added::Taken
    );
    assert_eq!(catalogue.account("a-2").await.unwrap(), None);
    assert_eq!(
        catalogue.account("a-1").await.unwrap().as_ref(),
        Some(&mina)
    );
    assert_eq!(
        catalogue.account_of_login("mina").await.unwrap(),
        Some(mina.clone())
    );

    let promote = Change {
        version: Some(1),
        role: Some("moderator".into()),
        ..Change::default()
    };
    let expected = Account {
        role: "moderator".into(),
        version: 2,
        ..mina
    };
    let made = catalogue
        .change_account("a-1", &promote, &entry("e-3"))
        .await
        .unwrap();
    assert_eq!(made, Changed::Made(Box::new(expected.clone())));
    let moved = catalogue
        .change_account("a-1", &promote, &entry("e-4"))
        .await
        .unwrap();
    assert_eq!(moved, Changed::Moved);
    let unknown = catalogue
        .change_account("a-9", &promote, &entry("e-5"))
        .await
        .unwrap();
    assert_eq!(unknown, Changed::Unknown);
    assert_eq!(catalogue.account("a-1").await.unwrap(), Some(expected));

    for n in 3..8 {
        let account = account(&format!("a-{n}"), &format!("fan{n}"));
        catalogue
            .add_account(&account, &entry(&format!("e-1{n}")))
            .await
            .unwrap();
    }
    let mut ids = Vec::new();
    let mut after = None;
    loop {
        let page = catalogue.accounts_after(after.as_deref(), 4).await.unwrap();
        ids.extend(page.iter().map(|account| account.id.clone()));
        match page.last() {
            Some(last) if page.len() == 4 => after = Some(last.id.clone()),
            _ => break,
        }
    }
    assert_eq!(ids, ["a-1", "a-3", "a-4", "a-5", "a-6", "a-7"]);
    let told = catalogue.audit_before(None, 200).await.unwrap();
    let told: Vec<_> = told.iter().map(|entry| &*entry.id).collect();
    assert_eq!(told, ["e-3", "e-17", "e-16", "e-15", "e-14", "e-13", "e-1"]);
    let older = catalogue.audit_before(Some("e-13"), 200).await.unwrap();
    assert_eq!(older, [entry("e-1")]);
}

/// Whether a session of the account begins.
async fn begins(catalogue: &Catalogue, id: &str, whose: &str, token: u8) -> bool {
    let begun = catalogue.begin_session(&session(id, whose, token)).await;
    begun.unwrap()
}

/// Whether a token stands for a session.
async fn stands(catalogue: &Catalogue, token: u8, now: i64) -> bool {
    let found = catalogue.session(&digest(token), now).await;
    found.unwrap().is_some()
}

async fn somebody(catalogue: &Catalogue) {
    let mina = account("a-1", "mina");
    catalogue.add_account(&mina, &entry("e-1")).await.unwrap();
}

async fn a_session_ends_by_itself_and_is_removed(catalogue: &Catalogue) {
    somebody(catalogue).await;
    assert!(begins(catalogue, "s-1", "a-1", 1).await);
    assert!(!begins(catalogue, "s-2", "a-none", 2).await);
    let (found, whose) = catalogue.session(&digest(1), NOW).await.unwrap().unwrap();
    assert_eq!(
        (&*found.id, &*whose.id, found.expires_at),
        ("s-1", "a-1", NOW + 1_000)
    );
    assert!(!stands(catalogue, 2, NOW).await);
    assert!(stands(catalogue, 1, NOW + 999).await);
    assert!(!stands(catalogue, 1, NOW + 1_000).await);
    let open = catalogue.sessions_of("a-1", NOW + 1_000).await.unwrap();
    assert!(open.is_empty());
    assert_eq!(catalogue.purge_sessions(NOW + 999).await.unwrap(), 0);
    assert_eq!(catalogue.purge_sessions(NOW + 1_000).await.unwrap(), 1);
}

async fn of_too_many_sessions_the_oldest_ends_and_any_by_hand(catalogue: &Catalogue) {
    somebody(catalogue).await;
    for n in 0..SESSIONS_MAX + 2 {
        let token = u8::try_from(n).unwrap();
        assert!(begins(catalogue, &format!("s-{n:03}"), "a-1", token).await);
    }
    let open = catalogue.sessions_of("a-1", NOW).await.unwrap();
    assert_eq!(open.len(), usize::try_from(SESSIONS_MAX).unwrap());
    let newest = &*open[0].id;
    assert_eq!(newest, format!("s-{:03}", SESSIONS_MAX + 1));
    assert!(!stands(catalogue, 1, NOW).await);
    let end = async |whose| catalogue.end_sessions(whose, Some(newest)).await.unwrap();
    assert_eq!((end("a-2").await, end("a-1").await), (0, 1));
    let ended = catalogue.end_sessions("a-1", None).await.unwrap();
    assert_eq!(ended, u64::from(SESSIONS_MAX) - 1);
}

async fn who_is_suspended_has_no_session_and_gets_none(catalogue: &Catalogue) {
    somebody(catalogue).await;
    assert!(begins(catalogue, "s-1", "a-1", 1).await);
    let suspend = |suspended: bool| Change {
        suspended: Some(suspended),
        ends_sessions: suspended,
        ..Change::default()
    };
    let change = async |suspended: bool, id: &str| {
        let (change, entry) = (suspend(suspended), entry(id));
        let changed = catalogue.change_account("a-1", &change, &entry).await;
        assert!(matches!(changed.unwrap(), Changed::Made(_)));
    };
    change(true, "e-2").await;
    assert!(!stands(catalogue, 1, NOW).await);
    assert!(!begins(catalogue, "s-2", "a-1", 2).await);
    change(false, "e-3").await;
    assert!(
        !stands(catalogue, 1, NOW).await,
        "what has ended stays ended"
    );
    assert!(begins(catalogue, "s-3", "a-1", 3).await);
}

async fn an_invitation_is_good_once_and_of_many_at_once_one_has_it(catalogue: &Catalogue) {
    assert!(!catalogue.has_role("staff").await.unwrap());
    let invite = |token: u8| Invitation {
        token: digest(token),
        role: "staff".into(),
        expires_at: NOW + 1_000,
    };
    catalogue.invite(&invite(1)).await.unwrap();
    catalogue.invite(&invite(2)).await.unwrap();
    let accept = |token: u8, now: i64, n: u32| {
        let account = account(&format!("a-{n}"), &format!("login{n}"));
        let entry = entry(&format!("e-{n}"));
        async move {
            catalogue
                .accept(&digest(token), now, &account, &entry)
                .await
                .unwrap()
        }
    };
    assert_eq!(accept(1, NOW, 1).await, None);
    assert_eq!(accept(2, NOW + 1_000, 2).await, None);
    catalogue
        .add_account(&account("a-0", "login3"), &entry("e-0"))
        .await
        .unwrap();
    assert_eq!(accept(2, NOW, 3).await, Some(Added::Taken));
    let all = tokio::join!(accept(2, NOW, 4), accept(2, NOW, 5), accept(2, NOW, 6));
    let won = [all.0, all.1, all.2]
        .into_iter()
        .filter(|won| *won == Some(Added::New));
    assert_eq!(won.count(), 1);
    assert!(catalogue.has_role("staff").await.unwrap());
    assert_eq!(catalogue.audit_before(None, 200).await.unwrap().len(), 2);
}

async fn the_audit_log_is_only_added_to(catalogue: &Catalogue) {
    catalogue
        .add_account(&account("a-1", "mina"), &entry("e-1"))
        .await
        .unwrap();
    for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        let refusal = match &catalogue.pools {
            Pools::Sqlite(pool) => sqlx::query(statement).execute(pool).await.err(),
            Pools::Postgres(pool) => sqlx::query(statement).execute(pool).await.err(),
        };
        let words = refusal.map(|error| error.to_string()).unwrap_or_default();
        assert!(words.contains("only ever added to"), "{words}");
    }
    let twice = catalogue
        .add_account(&account("a-2", "yuna"), &entry("e-1"))
        .await;
    assert!(
        matches!(twice, Err(CatalogueError::Refused(_))),
        "{twice:?}"
    );
    assert_eq!(
        catalogue.account("a-2").await.unwrap(),
        None,
        "all of a change, or nothing"
    );
}

async fn an_identity_has_one_account_and_of_many_at_once_one_makes_it(catalogue: &Catalogue) {
    let of = |issuer, subject| Identity { issuer, subject };
    let mina = of("https://id.example", "24400320");
    assert_eq!(catalogue.account_of_identity(mina).await.unwrap(), None);
    let add = async |n: u8, identity| {
        let account = account(&format!("a-{n}"), &format!("oidc:a-{n}"));
        let entry = entry(&format!("e-{n}"));
        let added = catalogue.add_account_of_identity(&account, identity, &entry);
        added.await.unwrap()
    };
    let (first, second, third) = tokio::join!(add(1, mina), add(2, mina), add(3, mina));
    let added = [first, second, third];
    let count = added.iter().filter(|one| **one == Added::New).count();
    assert_eq!(count, 1, "{added:?}");
    let accounts = catalogue.accounts_after(None, 9).await.unwrap();
    assert_eq!(accounts.len(), 1);
    let found = catalogue.account_of_identity(mina).await.unwrap();
    assert_eq!(found.as_ref(), accounts.first());
    assert_eq!(catalogue.audit_before(None, 9).await.unwrap().len(), 1);
    // The same name elsewhere, or another one there, is somebody else.
    for other in [
        of("https://other.example", "24400320"),
        of("https://id.example", "24400321"),
    ] {
        assert_eq!(catalogue.account_of_identity(other).await.unwrap(), None);
    }
    let other = of("https://other.example", "24400320");
    assert_eq!(add(4, other).await, Added::New);
    // A login that is taken makes none, and leaves the identity free.
    let taken = account("a-5", "oidc:a-4");
    let late = of("https://id.example", "5");
    let entry = entry("e-5");
    let added = catalogue.add_account_of_identity(&taken, late, &entry);
    assert_eq!(added.await.unwrap(), Added::Taken);
    assert_eq!(catalogue.account_of_identity(late).await.unwrap(), None);
}

pub(super) fn stream_key(id: &str) -> StreamKey {
    StreamKey {
        id: id.into(),
        channel: "demo".into(),
        name: "main desk".into(),
        created_at: NOW,
        expires_at: None,
        show: None,
    }
}

async fn a_stream_key_is_good_until_it_is_revoked_or_its_time_is_over(catalogue: &Catalogue) {
    let add = async |key: &StreamKey, number, note| {
        let (digest, entry) = (digest(number), entry(note));
        let added = catalogue.add_stream_key(key, &digest, None, &entry);
        added.await.unwrap()
    };
    let main = stream_key("k-1");
    assert_eq!(add(&main, 1, "e-1").await, KeyAdded::New);
    let guest = StreamKey {
        expires_at: Some(NOW + 1_000),
        ..stream_key("k-2")
    };
    assert_eq!(add(&guest, 2, "e-2").await, KeyAdded::New);

    let good = async |number, now| catalogue.stream_key(&digest(number), now).await.unwrap();
    assert_eq!(good(1, i64::MAX).await.as_ref(), Some(&main));
    assert_eq!(good(2, NOW + 999).await.as_ref(), Some(&guest));
    assert_eq!(good(2, NOW + 1_000).await, None);
    assert_eq!(good(3, NOW).await, None);
    let listed = catalogue.stream_keys("demo", NOW).await.unwrap();
    assert_eq!(listed, [main, guest]);
    assert_eq!(catalogue.stream_keys("other", NOW).await.unwrap(), []);

    // Only where it belongs to.
    let revoke = async |channel, id, note| {
        let entry = entry(note);
        catalogue.revoke_stream_key(channel, id, &entry).await
    };
    assert!(!revoke("other", "k-1", "e-3").await.unwrap());
    assert!(revoke("demo", "k-1", "e-4").await.unwrap());
    assert!(!revoke("demo", "k-1", "e-5").await.unwrap());
    assert_eq!(good(1, NOW).await, None);
    assert_eq!(catalogue.purge_stream_keys(NOW + 1_000).await.unwrap(), 1);
    let noted: Vec<_> = catalogue.audit_before(None, 9).await.unwrap();
    let ids: Vec<_> = noted.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["e-4", "e-2", "e-1"]);
}

async fn a_stream_key_is_replaced_and_both_are_good_for_a_while(catalogue: &Catalogue) {
    let add = async |id: &str, number, replaced, note: &str| {
        let (key, digest, entry) = (stream_key(id), digest(number), entry(note));
        let added = catalogue.add_stream_key(&key, &digest, replaced, &entry);
        added.await.unwrap()
    };
    assert_eq!(add("k-1", 1, None, "e-1").await, KeyAdded::New);
    let until = NOW + 60_000;
    assert_eq!(
        add("k-2", 2, Some(("k-1", until)), "e-2").await,
        KeyAdded::New
    );
    let good = async |number, now| catalogue.stream_key(&digest(number), now).await.unwrap();
    assert!(good(1, until - 1).await.is_some() && good(1, until).await.is_none());
    assert!(good(2, until).await.is_some());
    // What has ended is not replaced, and what ends soon does not end later.
    assert_eq!(
        add("k-3", 3, Some(("k-9", until)), "e-3").await,
        KeyAdded::Unknown
    );
    assert_eq!(
        add("k-3", 3, Some(("k-1", until + 1)), "e-3").await,
        KeyAdded::New
    );
    assert!(good(1, until).await.is_none());
    for number in 4..=STREAM_KEYS_MAX {
        let (id, note) = (format!("k-{number}"), format!("e-{number}"));
        let added = add(&id, u8::try_from(number).unwrap(), None, &note).await;
        assert_eq!(added, KeyAdded::New);
    }
    // One too many changes nothing, not even what it was to replace.
    assert_eq!(
        add("k-99", 99, Some(("k-2", NOW + 1)), "e-99").await,
        KeyAdded::TooMany
    );
    assert!(good(2, until).await.is_some());
}

async fn an_api_key_is_good_until_it_is_revoked_or_its_time_is_over(catalogue: &Catalogue) {
    let key = |n: u8, expires_at| ApiKey {
        id: format!("y-{n:02}"),
        name: "shop".into(),
        scopes: "publish,tokens".into(),
        created_at: NOW,
        expires_at,
    };
    let add = async |n: u8, expires_at| {
        let (key, entry) = (key(n, expires_at), entry(&format!("e-{n:02}")));
        catalogue
            .add_api_key(&key, &digest(n), &entry)
            .await
            .unwrap()
    };
    assert!(add(1, None).await && add(2, Some(NOW + 1_000)).await);
    let good = async |n, now| catalogue.api_key(&digest(n), now).await.unwrap();
    assert_eq!(good(1, i64::MAX).await, Some(key(1, None)));
    assert!(good(2, NOW + 999).await.is_some() && good(2, NOW + 1_000).await.is_none());
    assert_eq!(good(3, NOW).await, None);
    let listed = catalogue.api_keys(NOW + 999).await.unwrap();
    assert_eq!(listed, [key(1, None), key(2, Some(NOW + 1_000))]);

    let revoke = async |id, note| {
        let entry = entry(note);
        catalogue.revoke_api_key(id, &entry).await.unwrap()
    };
    assert!(!revoke("y-09", "e-90").await && revoke("y-01", "e-91").await);
    assert!(!revoke("y-01", "e-92").await);
    assert_eq!(good(1, NOW).await, None);
    assert_eq!(catalogue.purge_api_keys(NOW + 1_000).await.unwrap(), 1);
    let noted = catalogue.audit_before(None, 9).await.unwrap();
    let ids: Vec<_> = noted.iter().map(|entry| &*entry.id).collect();
    assert_eq!(ids, ["e-91", "e-02", "e-01"]);
    for n in 3..3 + u8::try_from(API_KEYS_MAX).unwrap() {
        assert!(add(n, None).await, "{n}");
    }
    assert!(!add(99, None).await);
    assert_eq!(good(99, NOW).await, None);
}

macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let folder = tempfile::tempdir().unwrap();
                let database = Database::Sqlite(folder.path().join("catalogue.db"));
                let catalogue = Catalogue::open(&database).await.unwrap();
                super::$name(&catalogue).await;
                catalogue.close().await;
                // What one process has written, the next one finds.
                Catalogue::open(&database).await.unwrap().close().await;
            })*
        }

        mod postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                let schema = Schema::make();
                let config = schema.config();
                let database = Database::Postgres(config.clone());
                // The log is in the same schema, and many processes begin at once.
                let (log, one, other) = tokio::join!(
                    crate::Store::connect(&config),
                    Catalogue::open(&database),
                    Catalogue::open(&database),
                );
                log.unwrap().close().await;
                one.unwrap().close().await;
                let catalogue = other.unwrap();
                super::$name(&catalogue).await;
                catalogue.close().await;
            })*
        }
    };
}
pub(super) use suite;

suite!(
    accounts_are_added_once_and_changed_as_they_were_read,
    a_session_ends_by_itself_and_is_removed,
    of_too_many_sessions_the_oldest_ends_and_any_by_hand,
    who_is_suspended_has_no_session_and_gets_none,
    an_invitation_is_good_once_and_of_many_at_once_one_has_it,
    the_audit_log_is_only_added_to,
    an_identity_has_one_account_and_of_many_at_once_one_makes_it,
    a_stream_key_is_good_until_it_is_revoked_or_its_time_is_over,
    a_stream_key_is_replaced_and_both_are_good_for_a_while,
    an_api_key_is_good_until_it_is_revoked_or_its_time_is_over,
);
