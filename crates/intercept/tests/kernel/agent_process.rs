//! Only the process that is the agent reaches the endpoints directly, and only while it lives.

use latchkey_intercept::{AgentProcess, Counter, InterceptMode};

use crate::world::{METADATA, METADATA_MAPPED, accept, count, in_world};

#[test]
fn agent_reaches_the_endpoint() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut agent = world.caller();
        let process = AgentProcess::of(agent.pid()).unwrap();
        interceptor.claim_for(process, world.netns()).unwrap();
        assert_eq!(agent.connect("INET tcp", METADATA), "ok");
        accept(&world.metadata);
        assert_eq!(agent.connect("INET6 tcp", METADATA_MAPPED), "ok");
        accept(&world.metadata);
        assert_eq!(count(&interceptor, Counter::OwnTraffic), 2);
    });
}

#[test]
fn agents_user_alone_exempts_nobody() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let [agent, mut other] = [(); 2].map(|()| world.caller());
        let process = AgentProcess::of(agent.pid()).unwrap();
        interceptor.claim_for(process, world.netns()).unwrap();
        assert_eq!(other.connect("INET tcp", METADATA), "ok");
        world.accept();
        assert_eq!(count(&interceptor, Counter::OwnTraffic), 0);
    });
}

#[test]
fn later_process_with_the_agents_number_is_not_exempt() {
    in_world(|world| {
        let mut interceptor = world.attach(InterceptMode::Enforce);
        let mut later = world.caller();
        let now = AgentProcess::of(later.pid()).unwrap();
        let earlier = AgentProcess::new(now.pid(), now.start_ticks() - 1);
        interceptor.claim_for(earlier, world.netns()).unwrap();
        assert_eq!(later.connect("INET tcp", METADATA), "ok");
        let (stream, _) = world.accept();
        assert!(interceptor.flows().take(&stream).unwrap().is_some());
        assert_eq!(count(&interceptor, Counter::OwnTraffic), 0);
    });
}
