//! The machine's certificates: how an agent of the guest gets them with their keys, and who does not.

use latchkey_lab::GuestPlan;
use latchkey_lab::curl::Curl;
use latchkey_lab::system::LIMIT;
use latchkey_protocol::Reason;

use crate::world::World;

/// What provisioning does with the programs that it has: first the path of the document, then
/// what is in it.
const FETCH: &str = r#"
set -e
cd "$(mktemp -d)"
openssl req -x509 -nodes -subj /CN=LinuxTransport -newkey rsa:2048 -keyout key.pem -out cert.pem 2>/dev/null
url=$(curl -s 'http://168.63.129.16/machine?comp=goalstate' | sed -n 's/.*<Certificates>\(.*\)<.*/\1/p' | sed 's/&amp;/\&/g')
echo "${url#http://168.63.129.16:80}"
curl -s "$url" -H 'x-ms-cipher-name: DES_EDE3_CBC' \
  -H "x-ms-guest-agent-public-x509-cert: $(grep -v -- ---- cert.pem | tr -d '\n')" > certificates.xml
sed -n '/<Data>/,/<\/Data>/p' certificates.xml | sed 's/<[^>]*>//g' | base64 -di |
  openssl cms -decrypt -inform DER -inkey key.pem -recip cert.pem | openssl pkcs12 -nodes -password pass:
"#;

#[test]
fn certificate_with_its_key_reaches_root_over_a_signed_request_and_no_other_user() {
    let world = World::start([GuestPlan::enforce("vm").with_certificate("extensions")]);
    let command = world.guest("vm").command("root", "sh");
    let output = command.args(["-c", FETCH]).output(LIMIT).unwrap();
    assert!(output.success(), "{output:?}");
    let text = output.stdout_text();
    let (path, pem) = text.split_once('\n').unwrap();
    for part in [
        "subject=CN = extensions",
        "BEGIN CERTIFICATE",
        "BEGIN PRIVATE KEY",
    ] {
        assert_eq!(pem.matches(part).count(), 1, "{part}");
    }
    let refusal = (403, Reason::RootRequired.as_str());
    world.expect_refusal("vm", "app", &Curl::wireserver(path), refusal);
    world.end(&[("vm", 3)]);
}
