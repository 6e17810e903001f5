// What a Kotlin program does with the generated client.
import org.openapitools.client.apis.AccountApi
import org.openapitools.client.apis.SessionsApi
import org.openapitools.client.apis.SignInApi
import org.openapitools.client.infrastructure.ApiClient
import org.openapitools.client.infrastructure.ClientException
import org.openapitools.client.models.RegisterIn

fun main() {
    val url = System.getenv("KEYFOB_URL")
    val body = RegisterIn(
        email = System.getenv("KEYFOB_EMAIL"),
        password = System.getenv("KEYFOB_SECRET"),
        name = "Zoë Żółć",
    )
    ApiClient.accessToken = SignInApi(url).register(body).accessToken

    val account = AccountApi(url)
    val me = account.me()
    check(me.name == "Zoë Żółć" && me.role == "user") { "me is $me" }
    check(account.listOwnLogins()[0].reason == "registered")
    val sessions = SessionsApi(url)
    check(sessions.listOwnSessions().size == 1)
    sessions.logOut()
    try {
        account.me()
        error("the token still answers")
    } catch (refused: ClientException) {
        check(refused.statusCode == 401) { "got ${refused.statusCode}" }
    }
    System.exit(0)  // OkHttp's threads would linger
}
