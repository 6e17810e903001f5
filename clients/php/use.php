<?php
// What a PHP program does with the generated client. Guzzle is Debian's php-guzzlehttp-guzzle.
require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class): void {
    $path = __DIR__ . '/lib/' . str_replace('\\', '/', substr($class, strlen('OpenAPI\\Client\\'))) . '.php';
    if (str_starts_with($class, 'OpenAPI\\Client\\') && is_file($path)) {
        require_once $path;
    }
});

use OpenAPI\Client\Api\AccountApi;
use OpenAPI\Client\Api\SessionsApi;
use OpenAPI\Client\Api\SignInApi;
use OpenAPI\Client\ApiException;
use OpenAPI\Client\Configuration;
use OpenAPI\Client\Model\RegisterIn;

function expect(string $what, mixed $got, mixed $wanted): void
{
    if ($got !== $wanted) {
        throw new Exception($what . ': got ' . var_export($got, true));
    }
}

$http = new GuzzleHttp\Client();
$config = (new Configuration())->setHost(getenv('KEYFOB_URL'));
$in = new RegisterIn();
// Each setter checks the pattern of its field.
$in->setEmail(getenv('KEYFOB_EMAIL'));
$in->setPassword(getenv('KEYFOB_SECRET'));
$in->setName('Zoë Żółć');
$tokens = (new SignInApi($http, $config))->register($in);
$config->setAccessToken($tokens->getAccessToken());

$account = new AccountApi($http, $config);
$me = $account->me();
expect('name', $me->getName(), 'Zoë Żółć');
expect('role', $me->getRole(), 'user');
expect('reason', $account->listOwnLogins()[0]->getReason(), 'registered');
$sessions = new SessionsApi($http, $config);
expect('sessions', count($sessions->listOwnSessions()), 1);
$sessions->logOut();
try {
    $account->me();
    throw new Exception('the token still answers');
} catch (ApiException $refused) {
    expect('code', $refused->getResponseObject()->getCode(), 'invalid_token');
}
