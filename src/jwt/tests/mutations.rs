//! Whatever is done to a valid token, it is valid no more.

use proptest::prelude::*;

use super::*;

fn valid() -> (String, Vec<Arc<KeySet>>) {
    (
        signed(r#"{"alg":"HS256","kid":"k"}"#, r#"{"sub":"alice","exp":4000000000}"#),
        set(&json!([secret(Some("k"))])),
    )
}

proptest! {
    #[test]
    fn one_bit(at in 0_usize..1000, bit in 0_u8..8) {
        let (token, keys) = valid();
        let mut bytes = token.into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(verify(&bytes, &keys, NOW, &Rules::default()).is_err());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (_, keys) = valid();
        prop_assert!(verify(&bytes, &keys, NOW, &Rules::default()).is_err());
    }
}
