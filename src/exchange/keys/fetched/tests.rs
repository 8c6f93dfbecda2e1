use tokio::time::advance;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn fetched() -> Arc<Fetched> {
    let url = Url::parse(b"http://a.test/").unwrap();
    Arc::new(Fetched::new(Arc::new(url), MINUTE))
}

fn set(kid: &str) -> Result<Arc<KeySet>, String> {
    let text = format!(r#"{{"keys":[{{"kty":"oct","kid":"{kid}","k":"{}"}}]}}"#, "A".repeat(43));
    Ok(Arc::new(KeySet::parse(text.as_bytes()).unwrap()))
}

fn fails() -> Result<Arc<KeySet>, String> {
    Err("no".into())
}

fn fly(fetched: &Arc<Fetched>, outcome: Result<Arc<KeySet>, String>) -> Landed {
    fetched.take_off().expect("it is time").land(outcome)
}

#[tokio::test(start_paused = true)]
async fn a_fetch_is_due_ahead_of_time_and_alone() {
    let fetched = fetched();
    let flight = fetched.take_off().expect("the first is due at once");
    assert!(fetched.take_off().is_none() && fetched.due().is_none());
    assert_eq!(flight.land(set("one")), Landed::Well);
    assert!(fetched.take_off().is_none());
    advance(MINUTE * 4 / 5).await;
    assert_eq!(fly(&fetched, set("two")), Landed::Renewed);
    assert!(fetched.keys(&Notify::new()).await.is_ok_and(|got| got.keys.has_kid("two")));
}

#[tokio::test(start_paused = true)]
async fn old_keys_stay_for_as_long_again_and_no_longer() {
    let (fetched, hurry) = (fetched(), Notify::new());
    fly(&fetched, set("one"));
    advance(MINUTE).await;
    assert_eq!(fly(&fetched, fails()), Landed::Stale { left: MINUTE, again: false });
    assert_eq!(fetched.due(), Some(now() + RETRY));
    assert!(fetched.keys(&hurry).await.is_ok());
    advance(MINUTE - Duration::from_secs(1)).await;
    assert!(fetched.keys(&hurry).await.is_ok());
    advance(Duration::from_secs(1)).await;
    assert_eq!(fly(&fetched, fails()), Landed::Nothing { again: false });
    assert_eq!(fetched.keys(&hurry).await.err().as_deref(), Some("no"));
    advance(RETRY).await;
    assert_eq!(fly(&fetched, fails()), Landed::Nothing { again: true });
    advance(RETRY).await;
    assert_eq!(fly(&fetched, set("one")), Landed::Well);
    assert!(fetched.keys(&hurry).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_first_fetch_and_not_for_ever() {
    let (fetched, hurry) = (fetched(), Notify::new());
    let begun = now();
    assert!(fetched.keys(&hurry).await.is_err());
    assert_eq!(begun.elapsed(), PATIENCE);
    let flight = fetched.take_off().unwrap();
    let waits = fetched.clone();
    let waiting = tokio::spawn(async move { waits.keys(&Notify::new()).await.map(|_| ()) });
    tokio::task::yield_now().await;
    flight.land(set("one"));
    assert_eq!(waiting.await.unwrap(), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_hurries_one_fetch_in_ten_seconds() {
    let (fetched, hurry) = (fetched(), Arc::new(Notify::new()));
    fly(&fetched, set("one"));
    for _ in 0..2 {
        let (asks, wakes, had) = (fetched.clone(), hurry.clone(), now());
        let asking = tokio::spawn(async move { asks.newer(had, &wakes).await.is_some() });
        hurry.notified().await;
        advance(Duration::from_millis(1)).await;
        fly(&fetched, set("two"));
        assert!(asking.await.unwrap());
        assert!(fetched.newer(now(), &hurry).await.is_none(), "too early");
        advance(ANEW).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_hurried_and_has_not_begun_is_waited_for() {
    let (fetched, hurry) = (fetched(), Arc::new(Notify::new()));
    fly(&fetched, set("one"));
    let had = now();
    let ask = || {
        let (asks, wakes) = (fetched.clone(), hurry.clone());
        tokio::spawn(async move { asks.newer(had, &wakes).await.is_some() })
    };
    let (first, second) = (ask(), ask());
    tokio::task::yield_now().await;
    advance(Duration::from_millis(1)).await;
    fly(&fetched, set("two"));
    assert!(first.await.unwrap() && second.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn keys_that_others_have_hurried_are_taken() {
    let (fetched, hurry) = (fetched(), Notify::new());
    fly(&fetched, set("one"));
    let had = fetched.keys(&hurry).await.map(|got| got.began).unwrap();
    advance(MINUTE).await;
    fly(&fetched, set("two"));
    assert!(fetched.newer(had, &hurry).await.is_some_and(|got| got.keys.has_kid("two")));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_is_given_up_has_failed() {
    let fetched = fetched();
    drop(fetched.take_off().unwrap());
    assert_eq!(fetched.keys(&Notify::new()).await.err().as_deref(), Some("the fetch was given up"));
}
