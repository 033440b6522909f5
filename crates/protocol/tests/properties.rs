//! Properties of the one reading of a request and of the signature over it.

#![expect(clippy::unwrap_used, reason = "helpers of a test may panic")]

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use latchkey_protocol::head::{Parsed, parse};
use latchkey_protocol::key::{KeyId, SigningKey};
use latchkey_protocol::signature::Signable;
use latchkey_protocol::target::CanonicalTarget;
use proptest::prelude::*;

fn key() -> SigningKey {
    let id = KeyId::parse("9f1c0a52-5f7e-4a10-8a44-0d0c2f4d7b11").unwrap();
    SigningKey::from_hex(id, &"5a".repeat(32)).unwrap()
}

fn target() -> impl Strategy<Value = String> {
    "/[a-zA-Z0-9%./;\\\\_?&=+-]{0,40}"
}

fn header_map() -> impl Strategy<Value = HeaderMap> {
    proptest::collection::vec(("[a-z][a-z0-9-]{0,8}", "[ -~]{0,12}"), 0..6).prop_map(|lines| {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            map.append(name, HeaderValue::from_str(&value).unwrap());
        }
        map
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _total = parse(&bytes);
    }

    #[test]
    fn accepted_targets_are_forwardable_as_received(target in "/[!-~]{0,8}(\\?[!-~]{0,8})?") {
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        if let Ok(Parsed::Complete(head, _)) = parse(head.as_bytes()) {
            let uri: http::uri::PathAndQuery = head.target.parse().unwrap();
            prop_assert_eq!(uri.as_str(), &target);
        }
    }

    #[test]
    fn canonical_form_is_a_fixed_point(target in target()) {
        if let Ok(canonical) = CanonicalTarget::parse(&target) {
            let again = CanonicalTarget::parse(canonical.path()).unwrap();
            prop_assert_eq!(again.path(), canonical.path());
            prop_assert!(!canonical.path().contains("//") && !canonical.path().contains('%'));
            let segments: Vec<_> = canonical.path().split('/').collect();
            prop_assert!(!segments.contains(&"..") && !segments.contains(&"."));
        }
    }

    #[test]
    fn what_is_signed_verifies_and_a_changed_body_does_not(
        target in target(), headers in header_map(), body in proptest::collection::vec(any::<u8>(), 0..40)
    ) {
        let key = key();
        let method = Method::POST;
        let request = Signable { method: &method, target: &target, headers: &headers, body: &body };
        let mac = key.sign(&request).unwrap().mac;
        prop_assert!(key.verify(&request, &mac).is_ok());
        let mut changed = body.clone();
        changed.push(b'x');
        let request = Signable { body: &changed, ..request };
        prop_assert!(key.verify(&request, &mac).is_err());
    }

    #[test]
    fn any_changed_bit_of_a_mac_is_refused(bit in 0_usize..256) {
        let key = key();
        let (method, headers) = (Method::GET, HeaderMap::new());
        let request = Signable { method: &method, target: "/", headers: &headers, body: b"" };
        let mut mac = key.sign(&request).unwrap().mac;
        mac[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(key.verify(&request, &mac).is_err());
    }
}
