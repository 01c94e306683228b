use oathburn_oath::Remedy;

use super::*;

#[test]
fn every_error_has_its_own_code_and_a_remedy() {
    let all = EscrowError::samples();
    let missing = EscrowError::VARIANTS.iter().find(|name| !all.iter().any(|one| one.variant() == **name));
    assert_eq!(missing, None);
    let mut codes: Vec<_> = all.iter().map(Remedy::code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), all.len());
    for error in all {
        let message = error.to_string();
        assert!(message.starts_with(|one: char| one.is_lowercase() || one == '/' || one == '"'), "{message}");
        assert!(!message.ends_with('.'), "{message}");
        assert!(error.remedy().is_some_and(|remedy| !remedy.is_empty()), "{message}");
        assert!(error.code().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{message}");
    }
}
